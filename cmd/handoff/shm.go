package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/shm"
)

func shmCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "shm",
		Short: "See and clean up what is in shared memory",
		Long: `See and clean up what is in shared memory: the segments of this user's runs in
/dev/shm. A run that ends removes its own; one that was killed leaves them.`,
		Example: "  handoff shm ls\n  handoff shm gc",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("a verb is needed: ls, stat, rm or gc")
			}
			return usagef("unknown verb %.60q, expected ls, stat, rm or gc", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	c.AddCommand(shmLs(s), shmStat(s), shmRm(s), shmGC(s))
	return c
}

func shmLs(s streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "ls",
		Short: "List this user's segments, and whose they are",
		Long: `List this user's segments in /dev/shm, run by run: alive (the kernel says its
lock is held), orphan (it is dead: 'handoff shm gc' removes it), or unknown (its
lock file is missing, so nothing proves either; gc leaves it alone).`,
		Example: "  handoff shm ls\n  handoff shm ls --json -",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			out, err := openOutput(file, s.out)
			if err != nil {
				return err
			}
			runs, err := shm.List()
			if err != nil {
				return err
			}
			if runs == nil {
				runs = []shm.RunInfo{}
			}
			if file != "-" {
				listRuns(s, runs)
			}
			if file == "" {
				return nil
			}
			if err := writeJSON(out, map[string]any{"runs": runs}); err != nil {
				return err
			}
			return out.Commit()
		},
	}
	jsonFlag(c.Flags(), &file, "the list")
	return c
}

func listRuns(s streams, runs []shm.RunInfo) {
	if len(runs) == 0 {
		fmt.Fprintln(s.out, "no segments of handoff in /dev/shm")
		return
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tSEGMENT\tSIZE\tSINCE\tRUN BY (pid, program)")
	for _, r := range runs {
		since := localTime(r.Since)
		if len(r.Segments) == 0 {
			fmt.Fprintf(w, "%s\t(no segment) %s\t\t%s\t%s\n", r.State, r.ID, since, r.Holder)
		}
		for _, seg := range r.Segments {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.State, seg.Name, human(seg.Bytes), since, r.Holder)
		}
	}
	w.Flush()
}

func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func shmStat(s streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "stat SEGMENT…",
		Short: "Say what is known of a segment, and who has it mapped",
		Long: `Say what is known of segments: size, the run they belong to, whether it is alive
(as in 'handoff shm ls'), and the pids of this user's processes that have them
mapped.`,
		Example: "  handoff shm stat handoff-0123456789abcdef01234567-1\n  handoff shm stat --json - SEGMENT",
		Args:    someSegments,
		RunE: func(_ *cobra.Command, args []string) error {
			out, err := openOutput(file, s.out)
			if err != nil {
				return err
			}
			var stats []shm.SegmentStat
			for _, name := range args {
				st, err := shm.Stat(name)
				if err != nil {
					return err
				}
				stats = append(stats, st)
			}
			for _, st := range stats {
				if file != "-" {
					pids := strings.Trim(fmt.Sprint(st.MappedBy), "[]")
					fmt.Fprintf(s.out, "%s\n  size       %s (%d bytes)\n  state      %s\n  since      %s\n  run by     %s\n  mapped by  %s\n",
						st.Name, human(st.Bytes), st.Bytes, st.State, cmp.Or(localTime(st.Since), "not known"), cmp.Or(st.Holder, "not known"), cmp.Or(pids, "no process of this user"))
				}
			}
			if file == "" {
				return nil
			}
			if err := writeJSON(out, map[string]any{"segments": stats}); err != nil {
				return err
			}
			return out.Commit()
		},
	}
	jsonFlag(c.Flags(), &file, "what is known")
	return c
}

func shmRm(s streams) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "rm SEGMENT…",
		Short: "Remove segments by name",
		Long: `Remove segments by name: those of dead runs, or whose run's lock file is missing
(state unknown), which gc leaves alone. A living run's segment is removed only
with --force: programs that have it mapped keep it, new ones cannot attach. One
that cannot be removed does not keep the others; the exit code is then 1.`,
		Example: "  handoff shm rm handoff-0123456789abcdef01234567-1\n  handoff shm rm --force SEGMENT SEGMENT",
		Args:    someSegments,
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, name := range args {
				err := shm.Remove(name, force)
				if errors.Is(err, shm.ErrAlive) {
					err = fmt.Errorf("%w; --force removes it all the same", err)
				}
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintln(s.out, "removed", name)
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also a living run's")
	return c
}

func someSegments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("a segment's name is needed: see 'handoff shm ls'")
	}
	return nil
}

func shmGC(s streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "gc",
		Short:   "Remove the segments of dead runs",
		Long:    "Remove the segments of this user's dead runs from /dev/shm: those whose lock the\nkernel has dropped. It is safe at any time, beside living runs and other gcs.",
		Example: "  handoff shm gc\n  handoff shm gc --json -",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := openOutput(file, s.out)
			if err != nil {
				return err
			}
			res, err := shm.GC(c.Context())
			if err != nil {
				return err
			}
			if file != "-" {
				fmt.Fprintf(s.out, "removed %d segments (%s) of %d dead runs; %d living runs left alone\n",
					res.Segments, human(res.Bytes), res.Runs, res.Alive)
				if n := unknownSegments(); n > 0 {
					fmt.Fprintf(s.out, "%d left whose run has no lock file: 'handoff shm ls' names them, 'handoff shm rm' removes them\n", n)
				}
			}
			if file == "" {
				return nil
			}
			if err := writeJSON(out, res); err != nil {
				return err
			}
			return out.Commit()
		},
	}
	jsonFlag(c.Flags(), &file, "what was removed")
	return c
}

// unknownSegments counts what gc leaves because nothing proves it dead.
func unknownSegments() (n int) {
	runs, _ := shm.List()
	for _, r := range runs {
		if r.State == shm.Unknown {
			n += len(r.Segments)
		}
	}
	return n
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %.60q", strings.Join(args, " "))
	}
	return nil
}
