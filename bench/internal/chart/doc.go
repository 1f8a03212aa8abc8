// Package chart draws the figures of a report: costs by size on logarithmic scales, as
// text for a terminal and as SVG, distributions, and bars.
//
// It knows nothing of what it draws but names, numbers and units. Values that a scale
// can't show (NaN, infinite, zero, negative) are left out. SVG is written without colours
// of its own: [Style] holds them, by class, for light and dark surroundings.
package chart
