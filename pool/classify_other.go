//go:build !linux

package pool

import (
	"context"
	"errors"
	"fmt"
)

func sampleFunc(context.Context, func(context.Context) error, ClassifyOptions) (cpuSample, error) {
	return cpuSample{}, fmt.Errorf("pool: classify: %w", errors.ErrUnsupported)
}

func sampleCommand(context.Context, []string) (cpuSample, error) {
	return cpuSample{}, fmt.Errorf("pool: classify: %w", errors.ErrUnsupported)
}
