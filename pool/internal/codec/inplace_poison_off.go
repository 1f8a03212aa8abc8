//go:build !handoff_assert && !race

package codec

const poisons = false
