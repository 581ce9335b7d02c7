// Package fault makes connections slow, broken or wrong on purpose.
//
// A [Fault] is an action under conditions. Actions on the stream ([Latency], [Bandwidth], [Slice],
// [Stall], [Blackhole], [Corrupt], [Cut]) are put behind each other, in the order given, in a [Chain] for
// each direction of a connection: octets enter with Push, wait as long as the actions want,
// and come out with Front and Took. Actions on calls ([Call]) say what one call comes to, see Line.Call.
//
// A [Set] has the rules that say which faults a socket meets, see [Selector], and gives each socket a
// [Line] with all that it meets. Every random choice comes from one seed: the same seed on
// the same traffic does the same. What was done is in the Set's [Log].
//
// Nothing here sleeps, or looks at a clock: the time is an argument, and Line.Next says when there will be
// more to do. Nothing is lost, doubled or reordered but by actions that are meant to. An octet that a fault
// holds is passed on, in its place, when the fault goes.
package fault
