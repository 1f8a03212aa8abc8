package prom

import (
	"context"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/pipeline"
	"example.com/handoff/pool/queue"
)

func TestQueue(t *testing.T) {
	q, err := queue.New[string](&queue.Options{MaxItems: 3, MaxBytes: 50})
	require.NoError(t, err)
	for _, s := range []string{"one", "two"} {
		require.NoError(t, q.Put(t.Context(), s, 20))
	}
	_, err = q.Get(t.Context())
	require.NoError(t, err)
	c := NewQueue(q.Stats, prometheus.Labels{"pool": "x"})
	v := values(t, pedantic(t, c))
	for name, want := range map[string]float64{
		"items": 1, "bytes": 20, "max_items": 3, "max_bytes": 50, "puts_total": 2, "gets_total": 1,
		"put_blocked_seconds_total": 0, "get_blocked_seconds_total": 0, "full_seconds_total": 0,
	} {
		got, ok := v["handoff_queue_"+name]
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	require.Positive(t, v["handoff_queue_empty_seconds_total"])
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestPipeline(t *testing.T) {
	pl := pipeline.New(&pipeline.Options{MaxBytes: 1000})
	c := NewPipeline(pl, nil)
	pass := func(_ context.Context, n int) (int, error) { return n, nil }
	out := pipeline.Go(pl, "pass", pipeline.From(pl, slices.Values([]int{1, 2, 3})), pass, 2)
	require.Equal(t, 0.0, values(t, pedantic(t, c))["handoff_pipeline_items_total pass"], "before it is run")
	require.NoError(t, pipeline.Drain(t.Context(), out, func(context.Context, int) error { return nil }))
	v := values(t, pedantic(t, c))
	for name, want := range map[string]float64{
		"bytes": 0, "max_bytes": 1000, "items_total pass": 3, "items_total source": 3, "items_total write": 3, "width pass": 2, "queue_items write": 0,
	} {
		got, ok := v["handoff_pipeline_"+name]
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	require.Positive(t, v["handoff_pipeline_queue_empty_seconds_total write"])
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
}
