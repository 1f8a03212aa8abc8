package rangejob

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
)

// kinds are the commands that j has now.
func kinds(j *Job) (all []Kind) {
	for c, ok := j.Next(); ok; c, ok = j.Next() {
		all = append(all, c.Kind)
	}
	return all
}

func newTestJob() *Job {
	return New(Config{Name: "f", N: 4, Grain: 2, Workers: 2, Attempts: 2, Results: true})
}

// What a worker must not do is an error, and changes nothing.
func TestMisbehaviour(t *testing.T) {
	block, part, counter := Share{Block: 1}, Share{Block: wire.PartOfBlock, Lo: 0, Hi: 1}, Share{Block: wire.AnyBlock}
	reported := part
	reported.Reported = true
	for name, tt := range map[string]struct {
		do   func(j *Job) error
		want string
	}{
		"no such block":     {func(j *Job) error { _, err := j.Result(&counter, 2, nil); return err }, "it sent block 2 of f, which it was not given"},
		"another block":     {func(j *Job) error { _, err := j.Result(&block, 0, nil); return err }, "it sent block 0 of f, which it was not given"},
		"a part of none":    {func(j *Job) error { _, err := j.Result(&block, wire.PartOfBlock, nil); return err }, "it sent block 4294967294 of f, which it was not given"},
		"a part twice":      {func(j *Job) error { _, err := j.Result(&reported, wire.PartOfBlock, nil); return err }, "it sent indices 0 to 1 of f twice"},
		"block, no result":  {func(j *Job) error { return j.Unreported(&block) }, "it said that block 1 of f was done, and sent no result"},
		"part, no result":   {func(j *Job) error { return j.Unreported(&part) }, "it said that indices 0 to 1 of f were done, and sent no result"},
		"part, with result": {func(j *Job) error { return j.Unreported(&reported) }, ""},
		"nothing taken":     {func(j *Job) error { return j.Unreported(&counter) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := newTestJob()
			err := tt.do(j)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.want)
			}
			require.Equal(t, newTestJob(), j)
		})
	}
}

// A block that comes twice, or shares that bring nothing again and again, show that
// somebody else has written to the counter: then what is left is given out by itself.
func TestCounterCorrupt(t *testing.T) {
	counter := Share{Block: wire.AnyBlock}
	for name, do := range map[string]func(j *Job){
		"a block twice": func(j *Job) {
			for _, want := range []Taken{Kept, Repeated} {
				taken, err := j.Result(&counter, 0, nil)
				require.NoError(t, err)
				require.Equal(t, want, taken)
			}
		},
		"empty shares": func(j *Job) {
			for range maxEmptyShares + 2 {
				j.Joined()
				j.Finished(&counter, 2)
				require.Empty(t, kinds(j))
			}
			j.Joined()
			j.Finished(&counter, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newTestJob()
			j.Joined()
			do(j)
			require.Equal(t, []Kind{Stop}, kinds(j))
			require.False(t, j.Open(0))
			j.Finished(&counter, 2)
			kinds(j)
			require.True(t, j.Idle())
			j.Settle(0)
			for b := range uint32(2) {
				if !j.done.has(b) {
					c, ok := j.Next()
					require.True(t, ok)
					require.Equal(t, Command{Kind: Give, Share: Share{Block: b}}, c)
				}
			}
		})
	}
}

// A block that comes is no end of those before: an empty share after it counts from one.
func TestEmptySharesInARow(t *testing.T) {
	j, counter := New(Config{N: 100, Workers: 1, Attempts: 1}), Share{Block: wire.AnyBlock}
	for b := range uint32(5) {
		for range maxEmptyShares {
			j.Joined()
			j.Finished(&counter, 1)
		}
		_, err := j.Result(&counter, b, nil)
		require.NoError(t, err)
	}
	require.Empty(t, kinds(j))
}

// Deaths end a job when those of one block are as many as it has attempts. A block that
// overran is tried again whole, then in halves, and overruns are no attempts.
func TestDied(t *testing.T) {
	counter := Share{Block: wire.AnyBlock}
	j := newTestJob()
	j.Joined()
	require.Equal(t, Charge{0, 2, 1}, j.Died(&counter, 0, false))
	c, _ := j.Next()
	require.Equal(t, Command{Kind: Give, Share: Share{Block: 0, Deaths: 1}}, c)
	require.Equal(t, Charge{0, 2, 2}, j.Died(&c.Share, wire.AnyBlock, true))
	c, _ = j.Next()
	require.Equal(t, Command{Kind: Give, Share: Share{Block: 0, Deaths: 2}}, c)
	require.Equal(t, Charge{0, 2, 3}, j.Died(&c.Share, wire.AnyBlock, true))
	require.Equal(t, []Kind{ReportSplit, Give, Give}, kinds(j))
	require.Equal(t, 1, j.Splits())

	j = newTestJob()
	j.Joined()
	j.Died(&counter, 1, false)
	c, _ = j.Next()
	require.Equal(t, Charge{2, 4, 2}, j.Died(&c.Share, wire.AnyBlock, false))
	require.Equal(t, []Kind{FailDeath, Stop, Withdraw}, kinds(j))
	require.False(t, j.Fail(), "it has failed before")
	j.Settle(1)
	require.Equal(t, []Kind{End}, kinds(j))

	j = newTestJob()
	j.Joined()
	require.Zero(t, j.Died(&counter, wire.AnyBlock, false), "it had claimed nothing")
	require.Empty(t, kinds(j))
}

// Blocks are given out after a death that were taken and are nobody's, and no others.
func TestRecovered(t *testing.T) {
	j := New(Config{N: 12, Grain: 2, Workers: 6, Attempts: 9})
	require.Equal(t, 6, j.Blocks())
	counter := Share{Block: wire.AnyBlock}
	j.Joined()
	_, err := j.Result(&counter, 0, nil)
	require.NoError(t, err)
	j.Died(&counter, 1, false)
	require.Equal(t, []Kind{Give}, kinds(j))
	j.Recovered(5, []uint32{2, wire.AnyBlock})
	var given []uint32
	for c, ok := j.Next(); ok; c, ok = j.Next() {
		given = append(given, c.Share.Block)
	}
	require.Equal(t, []uint32{3, 4}, given)
	j.Recovered(1<<32-1, nil)
	c, _ := j.Next()
	require.Equal(t, uint32(2), c.Share.Block)
}

// An index alone that overran has lost an attempt: fewer indices cannot be done in time.
func TestOverrunOfOneIndex(t *testing.T) {
	j := New(Config{N: 1, Workers: 1, Attempts: 1})
	j.Joined()
	require.Equal(t, Charge{0, 1, 1}, j.Died(&Share{Block: wire.AnyBlock}, 0, true))
	require.Equal(t, []Kind{FailDeath, Stop, Withdraw}, kinds(j))
}

// Overruns of a whole block are no attempts, and deaths beside them are.
func TestOverrunAndDeath(t *testing.T) {
	j := newTestJob()
	j.Joined()
	j.Died(&Share{Block: wire.AnyBlock}, 0, true)
	c, _ := j.Next()
	j.Died(&c.Share, wire.AnyBlock, false)
	require.Equal(t, []Kind{Give}, kinds(j))
}

// A part of an overrun that dies otherwise is tried again as it is.
func TestPartDied(t *testing.T) {
	j := New(Config{N: 8, Grain: 8, Workers: 1, Attempts: 2})
	j.Joined()
	j.Died(&Share{Block: wire.AnyBlock}, 0, true)
	c, _ := j.Next()
	j.Died(&c.Share, wire.AnyBlock, true)
	j.Next() // ReportSplit
	lower, _ := j.Next()
	upper, _ := j.Next()
	part := Share{Block: wire.PartOfBlock, Lo: 0, Hi: 4}
	require.Equal(t, part, lower.Share)
	require.Equal(t, Charge{0, 4, 1}, j.Died(&lower.Share, wire.AnyBlock, false))
	c, _ = j.Next()
	part.Deaths = 1
	require.Equal(t, Command{Kind: Give, Share: part}, c)

	_, err := j.Result(&upper.Share, wire.PartOfBlock, nil)
	require.NoError(t, err)
	require.Zero(t, j.Died(&upper.Share, wire.AnyBlock, false), "it had reported it")
	require.Empty(t, kinds(j))

	j.Died(&c.Share, wire.AnyBlock, false)
	require.Equal(t, []Kind{FailDeath, Stop, Withdraw}, kinds(j))
}

// With Quarantine each death halves what is left, and an index that has killed two alone
// is left out.
func TestQuarantine(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		testQuarantine(t, order)
	}
}

func testQuarantine(t *testing.T, order [2]int) {
	j := New(Config{N: 2, Grain: 2, Workers: 1, Attempts: 9, Quarantine: 2})
	j.Joined()
	j.Died(&Share{Block: wire.AnyBlock}, 0, false)
	require.Equal(t, ReportSplit, j.commands[0].Kind)
	parts := []Share{j.commands[1].Share, j.commands[2].Share}
	for _, i := range order {
		s := parts[i]
		kinds(j)
		require.Zero(t, s.Deaths)
		j.Died(&s, wire.AnyBlock, false)
		c, _ := j.Next()
		s.Deaths = 1
		require.Equal(t, Command{Kind: Give, Share: s}, c)
		j.Died(&s, wire.AnyBlock, false)
		c, _ = j.Next()
		require.Equal(t, Command{Kind: ReportQuarantine, Lo: s.Lo, Hi: s.Hi}, c)
	}
	require.Equal(t, []Kind{Stop, Withdraw}, kinds(j))
	require.Equal(t, []int{0, 1}, j.Quarantined())
	require.False(t, j.Open(0), "all is done")
}

// An index that is a block is tried once more too.
func TestQuarantineOfABlock(t *testing.T) {
	j := New(Config{N: 1, Workers: 1, Attempts: 9, Quarantine: 1})
	j.Joined()
	j.Died(&Share{Block: wire.AnyBlock}, 0, false)
	require.Equal(t, 1, j.commands[1].Share.Deaths)
	require.Equal(t, []Kind{ReportSplit, Give}, kinds(j))
}

// A block that comes whole ends its split: parts that wait are withdrawn, and what comes
// of the others is dropped.
func TestSplitBlockComes(t *testing.T) {
	j := New(Config{N: 2, Grain: 2, Workers: 1, Attempts: 9, Quarantine: 2})
	j.Joined()
	j.Died(&Share{Block: wire.AnyBlock}, 0, false)
	part := j.commands[1].Share
	require.Equal(t, []Kind{ReportSplit, Give, Give}, kinds(j))
	_, err := j.Result(&Share{Block: wire.AnyBlock}, 0, nil)
	require.NoError(t, err)
	require.Equal(t, []Kind{WithdrawParts, Stop, Withdraw}, kinds(j))
	taken, err := j.Result(&part, wire.PartOfBlock, nil)
	require.NoError(t, err)
	require.Equal(t, Late, taken)
	require.Zero(t, j.Splits())
}

// What was taken back is given to others unless it has come meanwhile.
func TestRevoked(t *testing.T) {
	j := newTestJob()
	j.Joined()
	j.Joined()
	block, reported := Share{Block: 0}, Share{Block: wire.PartOfBlock, Of: 1, Reported: true}
	_, err := j.Result(&block, 0, nil)
	require.NoError(t, err)
	j.Revoked(&block)
	j.Revoked(&reported)
	require.Empty(t, kinds(j))
	j.Joined()
	j.Revoked(&Share{Block: 1})
	require.Equal(t, []Kind{Give}, kinds(j))
}

func TestShort(t *testing.T) {
	j := newTestJob()
	for range maxShortages * 2 {
		require.False(t, j.Short())
	}
	require.True(t, j.Short())
}
