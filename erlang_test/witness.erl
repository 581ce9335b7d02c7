%% @doc Shows that something does not come, without waiting for a while: after
%% it a connection of its own, the witness, has been opened and has brought
%% bytes. What happened before would have come before those.
%%
%% Both drivers take what the kernel has ready in the order in which it became
%% so, and commands in the order in which they were given.
%%
%% The stock driver has two sets of sockets to wait for: one for all, and one
%% for those that have had input several times in a row. So the witness brings
%% as many bytes as move it from the one to the other. As each socket is a port,
%% those of the caller are asked something as well, which they answer behind
%% what they have to do.
%%
%% On gentcp all messages of a port program go through one router; with several
%% port programs each gets a witness.
-module(witness).

-export([has_come/0]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(TIMEOUT, 10_000).
-define(BYTES, 15).

%% In the process whose mailbox is looked at.
-spec has_come() -> ok.
has_come() ->
    PeerListener = tcp_pairs:peer_listen(),
    {W, _} = First = open(PeerListener),
    Witnesses = [First | [open(PeerListener) || _ <- lists:seq(2, programs(W))]],
    [bring(Witness) || Witness <- Witnesses, _ <- lists:seq(1, bytes(W))],
    [tcp_pairs:close([S], [Peer]) || {S, Peer} <- Witnesses],
    tcp_pairs:peer_close(PeerListener),
    {links, Links} = process_info(self(), links),
    [erlang:port_info(Port, connected) || Port <- Links, is_port(Port)],
    ok.

open(PeerListener) ->
    {ok, S} = gen_tcp:connect(?LOOPBACK, tcp_pairs:peer_port(PeerListener),
                              [binary, {active, true}], ?TIMEOUT),
    {S, tcp_pairs:peer_accept(PeerListener)}.

bring({S, Peer}) ->
    tcp_pairs:peer_send(Peer, <<"w">>),
    receive {tcp, S, <<"w">>} -> ok after ?TIMEOUT -> error(no_witness) end.

%% New sockets go to the port programs in turn.
programs(W) when is_port(W) -> 1;
programs(_W) -> length(gentcp:port_info(all)).

bytes(W) when is_port(W) -> ?BYTES;
bytes(_W) -> 1.
