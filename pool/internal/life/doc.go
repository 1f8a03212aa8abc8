// Package life decides about worker slots: how many run ([Width]), when the next one is
// started ([Restarts]), and when one has overrun a bound ([Watch]). It has no clock, no
// process and no lock: what happened and what time it is goes in, what to do comes out.
// Its owner guards it and does what it says.
//
// An incarnation goes through these states; what each means to users is in package pool.
//
//	       start          hello
//	dead ───────▶ starting ─────▶ standby ──promote──▶ idle ◀──────▶ running
//	 ▲                │              │                   │              │
//	 │                │              └──────retire───────┼──────────────┤
//	 │                │                                  ▼              │
//	 └────death───────┴──────────────────────────── draining ◀──────────┘
package life
