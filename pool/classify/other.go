//go:build !linux

package classify

import (
	"context"
	"errors"
	"fmt"
)

func sampleFunc(context.Context, func(context.Context) error, Options) (sample, error) {
	return sample{}, fmt.Errorf("classify: %w", errors.ErrUnsupported)
}

func sampleCommand(context.Context, []string) (sample, error) {
	return sample{}, fmt.Errorf("classify: %w", errors.ErrUnsupported)
}
