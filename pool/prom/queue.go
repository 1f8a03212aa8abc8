package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/handoff/pool/pipeline"
	"example.com/handoff/pool/queue"
)

// NewQueue makes a collector of what a [queue.Queue] does, as New does of a pool: stats
// is its Stats method. It keeps the queue.
func NewQueue(stats func() queue.Stats, labels prometheus.Labels) prometheus.Collector {
	return collectorOf("handoff_queue_", queueMetrics, stats, labels)
}

// NewPipeline makes a collector of the stages of pl, each with its name in the label
// "stage". Each scrape is one [pipeline.Pipeline.Stats]. It keeps pl.
func NewPipeline(pl *pipeline.Pipeline, labels prometheus.Labels) prometheus.Collector {
	return collectorOf("handoff_pipeline_", pipelineMetrics, pl.Stats, labels)
}

func queueMetric(name string, kind prometheus.ValueType, help string, value func(s *queue.Stats) float64) metric[queue.Stats] {
	return metric[queue.Stats]{name, kind, "", help, func(s *queue.Stats, put put) { put(value(s)) }}
}

func queueSeconds(name, help string, value func(s *queue.Stats) time.Duration) metric[queue.Stats] {
	return queueMetric(name, counter, help, func(s *queue.Stats) float64 { return value(s).Seconds() })
}

var queueMetrics = []metric[queue.Stats]{
	queueMetric("items", gauge, "Items held.", func(s *queue.Stats) float64 { return float64(s.Items) }),
	queueMetric("bytes", gauge, "Bytes that the items held are charged with.", func(s *queue.Stats) float64 { return float64(s.Bytes) }),
	queueMetric("max_items", gauge, "The bound in items.", func(s *queue.Stats) float64 { return float64(s.MaxItems) }),
	queueMetric("max_bytes", gauge, "The bound in bytes.", func(s *queue.Stats) float64 { return float64(s.MaxBytes) }),
	queueMetric("puts_total", counter, "Items admitted.", func(s *queue.Stats) float64 { return float64(s.Puts) }),
	queueMetric("gets_total", counter, "Items taken.", func(s *queue.Stats) float64 { return float64(s.Gets) }),
	queueSeconds("put_blocked_seconds_total", "Time that Puts were blocked, summed over all callers.", func(s *queue.Stats) time.Duration { return s.PutBlockedTime }),
	queueSeconds("get_blocked_seconds_total", "Time that Gets were blocked, summed over all callers.", func(s *queue.Stats) time.Duration { return s.GetBlockedTime }),
	queueSeconds("full_seconds_total", "Time during which a Put had to wait, or would have had to.", func(s *queue.Stats) time.Duration { return s.FullTime }),
	queueSeconds("empty_seconds_total", "Time during which nothing was held.", func(s *queue.Stats) time.Duration { return s.EmptyTime }),
}

func stageMetric(name string, kind prometheus.ValueType, help string, value func(s *pipeline.StageStats) float64) metric[pipeline.Stats] {
	return metric[pipeline.Stats]{name, kind, "stage", help, func(s *pipeline.Stats, put put) {
		for i := range s.Stages {
			put(value(&s.Stages[i]), s.Stages[i].Name)
		}
	}}
}

var pipelineMetrics = []metric[pipeline.Stats]{
	{"bytes", gauge, "", "Bytes in flight.", func(s *pipeline.Stats, put put) { put(float64(s.Bytes)) }},
	{"max_bytes", gauge, "", "The bound of the bytes in flight.", func(s *pipeline.Stats, put put) { put(float64(s.MaxBytes)) }},
	stageMetric("items_total", counter, "Items that the stage has handed on.", func(s *pipeline.StageStats) float64 { return float64(s.Out) }),
	stageMetric("failed_items_total", counter, "Items that the stage has failed on and that were left out.", func(s *pipeline.StageStats) float64 { return float64(s.Failed) }),
	stageMetric("width", gauge, "Items at a time.", func(s *pipeline.StageStats) float64 { return float64(s.Width) }),
	stageMetric("busy_seconds_total", counter, "Time that items were with the stage's function, summed over them.", func(s *pipeline.StageStats) float64 { return s.Busy.Seconds() }),
	stageMetric("queue_items", gauge, "Items in the queue before the stage.", func(s *pipeline.StageStats) float64 { return float64(s.Queue.Items) }),
	stageMetric("queue_full_seconds_total", counter, "Time during which that queue was full.", func(s *pipeline.StageStats) float64 { return s.Queue.FullTime.Seconds() }),
	stageMetric("queue_empty_seconds_total", counter, "Time during which that queue was empty.", func(s *pipeline.StageStats) float64 { return s.Queue.EmptyTime.Seconds() }),
}
