%% @doc A socket with a raw peer that takes little before it reads, so that a
%% megabyte is far more than the kernel holds and a queue stands still until
%% the peer reads.
-module(stuck).

-export([with/2, pair/1, fill/1, settled/1, bytes/1]).

-define(MEGABYTE, 1_000_000).

%% Returns ok, because Common Test prints what a case returns.
-spec with(list(), fun((gen_tcp:socket(), tcp_pairs:peer()) -> term())) -> ok.
with(Opts, Fun) ->
    tcp_pairs:with(pair(Opts), Fun).

-spec pair(list()) -> {gen_tcp:socket(), tcp_pairs:peer()}.
pair(Opts) ->
    tcp_pairs:connect_to_peer([{sndbuf, 32768} | Opts], #{rcvbuf => 65536}).

%% One send that leaves most of a megabyte in the queue.
-spec fill(gen_tcp:socket()) -> binary().
fill(S) ->
    Data = bytes(?MEGABYTE),
    ok = gen_tcp:send(S, Data),
    Data.

%% The length of the queue once the kernel takes no more of it.
-spec settled(gen_tcp:socket()) -> non_neg_integer().
settled(S) ->
    settled(S, none, 0).

settled(_S, Pending, 10) ->
    Pending;
settled(S, Pending, Same) ->
    receive after 10 -> ok end,
    case inet:getstat(S, [send_pend]) of
        {ok, [{send_pend, Pending}]} -> settled(S, Pending, Same + 1);
        {ok, [{send_pend, Other}]} -> settled(S, Other, 0)
    end.

%% Bytes that show a gap or a repetition.
-spec bytes(non_neg_integer()) -> binary().
bytes(Octets) ->
    Words = << <<I:32>> || I <- lists:seq(1, Octets div 4 + 1) >>,
    binary:part(Words, 0, Octets).
