// Package fate says how an incarnation of a worker ended, from plain data: what was found
// out goes in ([Known]), a class with its evidence comes out ([Of]). It starts no process,
// takes no lock and reads no clock, so its table of deaths is tested without any.
//
// What is certain comes before what is likely: what the kernel counts, then what Go has
// written, then what the supervisor has killed the worker for, then the exit status.
// [Kills] alone looks at more than one death: two kills that nobody here has sent, one
// shortly after the other, are how a kernel short of memory looks where nothing counts its
// kills.
package fate
