// Package prom shows pools of worker processes to Prometheus.
//
// # A short tour
//
//   - [New] makes a collector over one pool. The caller registers it, and
//     unregisters it when the pool is closed.
//   - [NewQueue] and [NewPipeline] make one over a queue, or over the stages of a
//     pipeline.
//   - alerts.yml, beside this file, is a Prometheus rule file to start from: workers
//     that keep dying, a pool that runs fewer than it was asked for, rows that were
//     left out.
//
// Several pools are several collectors, told apart by their labels:
//
//	reg.MustRegister(
//		prom.New(reads, prometheus.Labels{"pool": "reads"}),
//		prom.New(scores, prometheus.Labels{"pool": "scores"}),
//	)
//
// # Metrics
//
// Counters, since the pool was made:
//
//	handoff_pool_attempts_total             tasks and blocks of ranges started, again after a death included
//	handoff_pool_tasks_total                tasks resolved, by outcome: done, failed or cancelled; ranges are not among them
//	handoff_pool_retries_total              attempts of tasks that were lost and are made again
//	handoff_pool_deaths_total               deaths of workers, by class: a pool.ExitClass
//	handoff_pool_dying_workers              deaths that are not counted yet: it is not known of what
//	handoff_pool_memory_deaths_total        of these, for want of memory, proven or suspected
//	handoff_pool_respawns_total             workers to be replaced after a death
//	handoff_pool_retired_total              workers that were replaced or ended between two tasks
//	handoff_pool_quarantined_indices_total  indices of ranges that were left out
//	handoff_pool_task_array_bytes_total     size of the arrays that tasks named
//	handoff_pool_result_array_bytes_total   size of the arrays that results named
//	handoff_pool_by_value_bytes_total       size of arguments and results by value, as encoded
//	handoff_pool_copied_in_bytes_total      bytes of these that were copied into shared memory
//	handoff_pool_copied_out_bytes_total     bytes of these that were copied out of it
//	handoff_pool_copied_bytes_total         bytes that were copied into arrays of Pool.Arena
//
// Gauges, now:
//
//	handoff_pool_width                      workers that may run at once
//	handoff_pool_target                     workers that were asked for
//	handoff_pool_ceiling                    the most workers that memory seems to allow; absent while nobody knows
//	handoff_pool_spares                     workers that wait for a death
//	handoff_pool_pending_tasks              tasks that no worker has
//	handoff_pool_unresolved_tasks           tasks and ranges under way
//	handoff_pool_workers                    living workers, by state: a pool.State
//	handoff_pool_worker_private_bytes       private memory of a living worker, by slot; absent before the first look
//	handoff_pool_result_mapped_bytes        size of the segments that workers' results lie in
//	handoff_pool_shared_header_bytes        private memory of all processes for what Shared values lead to
//	handoff_pool_hook_waiting_calls         calls that a hook has not returned from, by hook: on_event, on_attempt, logger, output
//
// Of a queue, counters since it was made, and gauges:
//
//	handoff_queue_puts_total, _gets_total   items admitted, and taken
//	handoff_queue_put_blocked_seconds_total time that Puts were blocked, summed over all callers; _get_ likewise
//	handoff_queue_full_seconds_total        time during which a Put had to wait, or would have had to
//	handoff_queue_empty_seconds_total       time during which nothing was held
//	handoff_queue_items, _bytes             held; _max_items and _max_bytes are the bounds
//
// Of a pipeline, by stage but for the bytes:
//
//	handoff_pipeline_items_total            items that the stage has handed on
//	handoff_pipeline_failed_items_total     items that it has failed on and that were left out
//	handoff_pipeline_busy_seconds_total     time that items were with its function, summed over them
//	handoff_pipeline_queue_full_seconds_total, _queue_empty_seconds_total
//	handoff_pipeline_width, _queue_items    items at a time, and in the queue before it
//	handoff_pipeline_bytes, _max_bytes      in flight, and the bound of that
//
// All outcomes, classes and states are there from the start, as 0, so that rate and
// increase see the first death too. A worker lives from its hello on: one that is
// starting is in none of these. There is one series for each slot with a living
// worker, so at most as many as workers and spares were ever asked for; a pid, which
// would make a new one at each death, is no label.
//
// # Cost
//
// A collector has no goroutine and no state: each scrape is one [pool.Pool.Stats],
// [queue.Queue.Stats] or [pipeline.Pipeline.Stats],
// some tens of microseconds for a few workers, and between two it costs nothing.
// Workers run the same binary, so a program that imports this package has
// client_golang in its workers too: its initializers add about a millisecond to
// the start of each, and nothing else there calls it.
//
// # Concurrency
//
// Scrapes may run at the same time, with each other and with all that the pool does.
// The collector of a closed pool gives its last numbers.
package prom
