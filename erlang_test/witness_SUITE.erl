%% @doc The tools of the other suites: what they say did not come would have
%% been seen.
-module(witness_SUITE).
-compile([export_all, nowarn_export_all]).

suite() -> [{timetrap, {seconds, 60}}].

all() -> driver_groups:all_with_shards().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [message_is_seen, end_is_seen, message_is_seen_among_many, returned_call_is_seen,
     waiting_call_is_let_pass, silence_is_let_pass].

-define(TIMES, 200).

message_is_seen(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}]),
    [begin
         tcp_pairs:peer_send(Peer, <<"x">>),
         {raised, exit, _} = tcp_pairs:outcome(fun mailbox:none/0)
     end || _ <- lists:seq(1, ?TIMES)],
    tcp_pairs:close([S], [Peer]).

end_is_seen(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{active, once}]),
         tcp_pairs:peer_close(Peer),
         ok = witness:has_come(),
         {tcp_closed, S} = mailbox:next_now()
     end || _ <- lists:seq(1, ?TIMES)],
    ok.

%% Of each socket, in whichever port program it is.
message_is_seen_among_many(_) ->
    Pairs = [tcp_pairs:connect_to_peer([{active, true}]) || _ <- lists:seq(1, 20)],
    [begin
         [tcp_pairs:peer_send(Peer, <<"x">>) || {_, Peer} <- Pairs],
         ok = witness:has_come(),
         [receive {tcp, S, <<"x">>} -> ok after 0 -> ct:fail(not_here) end || {S, _} <- Pairs]
     end || _ <- lists:seq(1, ?TIMES div 10)],
    {Sockets, Peers} = lists:unzip(Pairs),
    tcp_pairs:close(Sockets, Peers).

returned_call_is_seen(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         Caller = callers:start(fun() -> gen_tcp:recv(S, 1, 5000) end),
         ok = callers:waits(Caller),
         tcp_pairs:peer_send(Peer, <<"x">>),
         {raised, exit, _} = tcp_pairs:outcome(fun() -> callers:waits(Caller) end)
     end || _ <- lists:seq(1, ?TIMES)],
    tcp_pairs:close([S], [Peer]).

waiting_call_is_let_pass(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Caller = callers:start(fun() -> gen_tcp:recv(S, 1, 30_000) end),
    [ok = callers:waits(Caller) || _ <- lists:seq(1, ?TIMES)],
    tcp_pairs:peer_send(Peer, <<"x">>),
    {ok, <<"x">>} = callers:result(Caller),
    tcp_pairs:close([S], [Peer]).

silence_is_let_pass(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}]),
    [ok = mailbox:none() || _ <- lists:seq(1, ?TIMES)],
    tcp_pairs:close([S], [Peer]).
