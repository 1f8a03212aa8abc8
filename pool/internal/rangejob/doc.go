// Package rangejob does the bookkeeping of one range of indices that workers share: which
// blocks there are, who has them, what is given out again after a death, and which
// indices are left out. It is a machine without processes, locks, clocks or shared
// memory: what happens goes in, what is to be done comes out.
package rangejob
