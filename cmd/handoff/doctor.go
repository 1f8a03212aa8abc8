package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// A status is what a check says of the machine.
type status string

const (
	fine    status = "ok"
	warning status = "warning" // a run works, but less well, or not for long
	problem status = "problem" // a run would fail
	unknown status = "unknown" // nothing could be found out
)

// A check is one thing that was looked at.
type check struct {
	Name   string         `json:"name"`
	Status status         `json:"status"`
	Found  string         `json:"found"`
	Remedy string         `json:"remedy"` // "" if there is nothing to do
	Values map[string]any `json:"values"` // the figures behind Found: bytes, counts; null for no limit
}

// worse makes the check at least as bad as s, with a remedy.
func (c *check) worse(s status, remedy string) {
	if s == problem || c.Status != problem {
		c.Status, c.Remedy = s, remedy
	}
}

func doctorCommand(s streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at what this machine allows, and say what to mend",
		Long: `Look at /dev/shm, at what dead runs left there, and at the limits of this
process, its cgroups and the kernel, and say what was found and how to mend it.
Nothing is changed. A warning means that runs work, but slower or not in every
case; a problem means that a run would fail, and the exit code is 1.`,
		Example: "  handoff doctor\n  handoff doctor --json - | jq '.checks[] | select(.status != \"ok\")'",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			out, err := openOutput(file, s.out)
			if err != nil {
				return err
			}
			checks, err := examine("")
			if err != nil {
				return err
			}
			var bad []string
			for _, c := range checks {
				if c.Status == problem {
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

func printChecks(s streams, checks []check) {
	count := map[status]int{}
	for _, c := range checks {
		count[c.Status]++
		fmt.Fprintf(s.out, "%-8s %-14s %s\n", c.Status, c.Name, printable(c.Found))
		if c.Remedy != "" {
			fmt.Fprintf(s.out, "%24s%s\n", "remedy: ", printable(c.Remedy))
		}
	}
	fmt.Fprintf(s.out, "%d checks: %d ok, %d warnings, %d problems, %d unknown\n",
		len(checks), count[fine], count[warning], count[problem], count[unknown])
}
