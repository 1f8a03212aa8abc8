//go:build !handoff_assert && !race

package codec

const Poisons = false
