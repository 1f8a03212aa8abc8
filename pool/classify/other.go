//go:build !linux

package classify

import (
	"context"
	"errors"
	"fmt"
)

func sampleFunc(context.Context, func(context.Context) error, Options) (cpuSample, error) {
	return cpuSample{}, fmt.Errorf("classify: %w", errors.ErrUnsupported)
}

func sampleCommand(context.Context, []string) (cpuSample, error) {
	return cpuSample{}, fmt.Errorf("classify: %w", errors.ErrUnsupported)
}
