// Package codectest makes random Go types and values of them, and says whether two values
// are the same, as one is after an assignment: what tests of package codec, and of what is
// built on it, send and compare.
package codectest
