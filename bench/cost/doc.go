// Package cost is what a handoff costs by its size, and what follows from that: data and
// arithmetic, no processes and no clock. Who measures passes a function ([Measure]).
//
//   - [Costs] are the prices of the ways on one machine, each a [Curve] of measured sizes.
//   - [Advise] applies the 15 % rule to a [Task], picks the cheapest of the ways that were asked for,
//     and says what it saves: [Advice].
//   - [Fit] makes a [Model] of measured [Point]s, [Search] looks for the sizes at which one
//     strategy overtakes another ([Crossover]), and [Verify] measures afresh whether that is so.
//
// Functions read their arguments and keep none; they may be called at the same time.
package cost
