package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.com/handoff/cmd/handoff/internal/doctor"
)

func doctorCommand(s streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at what this machine allows, and say what to change",
		Long: `Look at /dev/shm, at what dead runs left there, and at the limits of this
process, its cgroups and the kernel, and say what was found and what to do about it.
Nothing is changed. A warning means that runs work, but slower or not in every
case; a problem means that a run would fail, and the exit code is 1.`,
		Example: "  handoff doctor\n  handoff doctor --json - | jq '.checks[] | select(.status != \"ok\")'",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			out, err := openOutput(file, s.out)
			if err != nil {
				return err
			}
			checks, err := doctor.Examine()
			if err != nil {
				return err
			}
			var bad []string
			for _, c := range checks {
				if c.Status == doctor.Problem {
					bad = append(bad, c.Name)
				}
			}
			if file != "-" {
				printChecks(s, checks)
			}
			if file != "" {
				if err := writeJSON(out, map[string]any{"checks": checks, "ok": len(bad) == 0}); err != nil {
					return err
				}
				if err := out.Commit(); err != nil {
					return err
				}
			}
			if len(bad) > 0 {
				return fmt.Errorf("runs would fail on this machine: %s", strings.Join(bad, ", "))
			}
			return nil
		},
	}
	jsonFlag(c.Flags(), &file, "the checks")
	return c
}

func printChecks(s streams, checks []doctor.Check) {
	count := map[doctor.Status]int{}
	for _, c := range checks {
		count[c.Status]++
		fmt.Fprintf(s.out, "%-8s %-14s %s\n", c.Status, c.Name, printable(c.Found))
		if c.Remedy != "" {
			fmt.Fprintf(s.out, "%24s%s\n", "remedy: ", printable(c.Remedy))
		}
	}
	fmt.Fprintf(s.out, "%d checks: %d ok, %d warnings, %d problems, %d unknown\n",
		len(checks), count[doctor.OK], count[doctor.Warning], count[doctor.Problem], count[doctor.Unknown])
}
