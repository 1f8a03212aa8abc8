package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"example.com/handoff/pool"
)

func classifyCommand(s streams) *cobra.Command {
	var file string
	repeat := 3
	c := &cobra.Command{
		Use:   "classify [flags] -- COMMAND [ARG…]",
		Short: "Measure whether a command computes or waits, and where it belongs",
		Long: `Run a command a few times, with empty input and its output discarded, and say
from its CPU time against its wall time whether it computes or waits: below 0.4
it is io, above 0.7 cpu, between mixed. The route is where such a stage belongs:
goroutine, process, or split.`,
		Example: "  handoff classify -- sleep 1\n  handoff classify --repeat 5 --json - -- sha512sum /path/to/large/file",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("a command is needed after --")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return classify(c.Context(), s, args, repeat, file)
		},
	}
	c.Flags().SetInterspersed(false) // the command's own flags are its own, also without --
	c.Flags().Var(count{&repeat, 1000}, "repeat", "how often to run it; the figures are medians")
	jsonFlag(c.Flags(), &file, "the answer")
	return c
}

func classify(ctx context.Context, s streams, command []string, repeat int, file string) error {
	out, err := openOutput(file, s.out)
	if err != nil {
		return err
	}
	got, err := pool.ClassifyCommand(ctx, command, &pool.ClassifyOptions{Repeats: repeat})
	if err != nil {
		return err
	}
	if file != "-" {
		fmt.Fprintf(s.out, "wall   %.3f s\ncpu    %.3f s (%s clock)\nratio  %.2f (%.2f to %.2f in %d runs)\nclass  %s\nroute  %s\n%s\n",
			got.WallS, got.CPUS, got.Clock, got.CPUToWall, got.CPUToWallMin, got.CPUToWallMax, got.Repeats, got.Class, got.Route, got.Reason)
	}
	if file == "" {
		return nil
	}
	if err := writeJSON(out, got); err != nil {
		return err
	}
	return out.Commit()
}
