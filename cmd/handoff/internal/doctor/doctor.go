// Package doctor looks at what a machine allows: at /dev/shm, at what dead runs left
// there, and at the limits of this process, its cgroups and the kernel.
package doctor

// A Status says whether a check found something that a run would suffer from.
type Status string

const (
	OK      Status = "ok"
	Warning Status = "warning" // a run works, but less well, or not for long
	Problem Status = "problem" // a run would fail
	Unknown Status = "unknown" // nothing could be found out
)

// A Check is one thing that was looked at.
type Check struct {
	Name   string         `json:"name"`
	Status Status         `json:"status"`
	Found  string         `json:"found"`
	Remedy string         `json:"remedy"` // "" if there is nothing to do
	Values map[string]any `json:"values"` // the figures behind Found: bytes, counts; null for no limit
}

// worse makes the check at least as bad as s, with a remedy.
func (c *Check) worse(s Status, remedy string) {
	if s == Problem || c.Status != Problem {
		c.Status, c.Remedy = s, remedy
	}
}
