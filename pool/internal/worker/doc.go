// Package worker is the worker's side of a pool: it attaches, runs tasks and answers them.
package worker
