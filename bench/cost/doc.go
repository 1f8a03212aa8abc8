// Package cost is what a handoff costs by its size, and what follows from that: data and
// arithmetic, no processes and no clock. Who measures passes a function ([Measure]).
package cost
