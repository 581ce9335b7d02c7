%% @doc Connected sockets for the behaviour suites. `listen' and `pair' open
%% both ends through `gen_tcp', so both are on the driver of the group. A raw
%% peer is an end from the `socket' module: it stays on stock OTP in either
%% group, can stop reading, and can reset its connection. All of it is on
%% 127.0.0.1.
%%
%% The waits never sleep for a fixed time: they poll what the kernel says
%% about a connection (TCP_INFO) and give up after ten seconds.
-module(tcp_pairs).

-export([listen/0, listen/1, pair/0, pair/1, pair/2, with/2, close/2]).
-export([connect_to_peer/1, connect_to_peer/2, accept_from_peer/1, accept_from_peer/2]).
-export([peer_listen/0, peer_listen/1, peer_accept/1, peer_connect/1, peer_connect/2,
         peer_port/1, peer_send/2, peer_recv/2, peer_recv_all/1, peer_shutdown/2,
         peer_reset/1, peer_close/1]).
-export([eventually/1, at_rest/1, arrived/2, eof_arrived/1, reset_arrived/1, acknowledged/1]).
-export([local_path/0]).
-export([flush/0, is_gone/1, outcome/1, by_another/1]).

-export_type([peer/0]).

-type peer() :: socket:socket().

-define(LOOPBACK, {127, 0, 0, 1}).
-define(TIMEOUT, 10_000).
-define(POLL_INTERVAL, 10).

%%
%% Both ends through gen_tcp
%%

%% A passive binary listener on an ephemeral port.
-spec listen() -> {gen_tcp:socket(), inet:port_number()}.
listen() ->
    listen([]).

%% Options of the caller win over `binary, {active, false}'.
-spec listen(list()) -> {gen_tcp:socket(), inet:port_number()}.
listen(Opts) ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, ?LOOPBACK} | Opts]),
    {ok, Port} = inet:port(L),
    {L, Port}.

%% Two connected passive binary sockets, both owned by the caller.
-spec pair() -> {Client :: gen_tcp:socket(), Server :: gen_tcp:socket()}.
pair() ->
    pair([], []).

%% The same options for both ends.
-spec pair(list()) -> {Client :: gen_tcp:socket(), Server :: gen_tcp:socket()}.
pair(Opts) ->
    pair(Opts, Opts).

%% `Server' is the accepted end and inherits `ListenOpts'.
-spec pair(ListenOpts :: list(), ConnectOpts :: list()) ->
          {Client :: gen_tcp:socket(), Server :: gen_tcp:socket()}.
pair(ListenOpts, ConnectOpts) ->
    {L, Port} = listen(ListenOpts),
    {ok, Client} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false} | ConnectOpts],
                                   ?TIMEOUT),
    {ok, Server} = gen_tcp:accept(L, ?TIMEOUT),
    ok = gen_tcp:close(L),
    {Client, Server}.

%%
%% One end through gen_tcp, the other a raw peer
%%

%% Runs Fun on the two ends, which are gone afterwards. Returns ok, because
%% Common Test prints what a case returns.
-spec with({gen_tcp:socket(), peer()}, fun((gen_tcp:socket(), peer()) -> term())) -> ok.
with({S, Peer}, Fun) ->
    try
        _ = Fun(S, Peer),
        ok
    after
        peer_reset(Peer),
        gen_tcp:close(S)
    end.

-spec close([gen_tcp:socket()], [peer()]) -> ok.
close(Sockets, Peers) ->
    [ok = gen_tcp:close(Socket) || Socket <- Sockets],
    [ok = peer_close(Peer) || Peer <- Peers],
    ok.

%% A socket that gen_tcp connected to a raw peer.
-spec connect_to_peer(list()) -> {gen_tcp:socket(), peer()}.
connect_to_peer(ConnectOpts) ->
    connect_to_peer(ConnectOpts, #{}).

%% PeerOpts: see `peer_listen/1'.
-spec connect_to_peer(list(), #{rcvbuf => pos_integer()}) -> {gen_tcp:socket(), peer()}.
connect_to_peer(ConnectOpts, PeerOpts) ->
    PeerListener = peer_listen(PeerOpts),
    {ok, S} = gen_tcp:connect(?LOOPBACK, peer_port(PeerListener),
                              [binary, {active, false} | ConnectOpts], ?TIMEOUT),
    Peer = peer_accept(PeerListener),
    peer_close(PeerListener),
    {S, Peer}.

%% A socket that gen_tcp accepted from a raw peer.
-spec accept_from_peer(list()) -> {gen_tcp:socket(), peer()}.
accept_from_peer(ListenOpts) ->
    accept_from_peer(ListenOpts, #{}).

-spec accept_from_peer(list(), #{rcvbuf => pos_integer()}) -> {gen_tcp:socket(), peer()}.
accept_from_peer(ListenOpts, PeerOpts) ->
    {L, Port} = listen(ListenOpts),
    Peer = peer_connect(Port, PeerOpts),
    {ok, S} = gen_tcp:accept(L, ?TIMEOUT),
    ok = gen_tcp:close(L),
    {S, Peer}.

-spec peer_listen() -> peer().
peer_listen() ->
    peer_listen(#{}).

%% `rcvbuf' bounds what the kernel takes for a peer that does not read.
-spec peer_listen(#{rcvbuf => pos_integer()}) -> peer().
peer_listen(PeerOpts) ->
    L = peer_open(PeerOpts),
    ok = socket:bind(L, #{family => inet, addr => ?LOOPBACK, port => 0}),
    ok = socket:listen(L, 16),
    L.

-spec peer_accept(peer()) -> peer().
peer_accept(PeerListener) ->
    {ok, Peer} = socket:accept(PeerListener, ?TIMEOUT),
    Peer.

-spec peer_connect(inet:port_number()) -> peer().
peer_connect(Port) ->
    peer_connect(Port, #{}).

-spec peer_connect(inet:port_number(), #{rcvbuf => pos_integer()}) -> peer().
peer_connect(Port, PeerOpts) ->
    Peer = peer_open(PeerOpts),
    ok = socket:connect(Peer, #{family => inet, addr => ?LOOPBACK, port => Port}, ?TIMEOUT),
    Peer.

-spec peer_port(peer()) -> inet:port_number().
peer_port(Peer) ->
    {ok, #{port := Port}} = socket:sockname(Peer),
    Port.

-spec peer_send(peer(), iodata()) -> ok.
peer_send(Peer, Data) ->
    ok = socket:send(Peer, iolist_to_binary(Data), ?TIMEOUT).

%% Exactly N bytes, N > 0.
-spec peer_recv(peer(), pos_integer()) -> binary().
peer_recv(Peer, N) ->
    {ok, Data} = socket:recv(Peer, N, ?TIMEOUT),
    Data.

%% Everything up to the end of the stream, and how the stream ended.
-spec peer_recv_all(peer()) -> {binary(), Reason :: closed | atom()}.
peer_recv_all(Peer) ->
    peer_recv_all(Peer, []).

peer_recv_all(Peer, Got) ->
    case socket:recv(Peer, 0, ?TIMEOUT) of
        {ok, Data} ->
            peer_recv_all(Peer, [Got, Data]);
        {error, {Reason, Data}} ->
            {iolist_to_binary([Got, Data]), Reason};
        {error, Reason} ->
            {iolist_to_binary(Got), Reason}
    end.

-spec peer_shutdown(peer(), read | write | read_write) -> ok.
peer_shutdown(Peer, How) ->
    ok = socket:shutdown(Peer, How).

%% Closes with linger 0: the other end gets an RST instead of a FIN. A peer
%% that is closed already stays so.
-spec peer_reset(peer()) -> ok.
peer_reset(Peer) ->
    case socket:setopt(Peer, {socket, linger}, #{onoff => true, linger => 0}) of
        ok -> ok = socket:close(Peer);
        {error, closed} -> ok
    end.

-spec peer_close(peer()) -> ok.
peer_close(Peer) ->
    ok = socket:close(Peer).

%% A path for a local socket that does not exist yet: the directories of Common
%% Test are too long for one. Whoever binds it deletes it.
-spec local_path() -> file:filename().
local_path() ->
    Name = io_lib:format("tcp_pairs_~s_~b", [os:getpid(), erlang:unique_integer([positive])]),
    lists:flatten(filename:join(os:getenv("TMPDIR", "/tmp"), Name)).

peer_open(PeerOpts) ->
    {ok, Peer} = socket:open(inet, stream, tcp),
    maps:foreach(fun(rcvbuf, Size) -> ok = socket:setopt(Peer, {socket, rcvbuf}, Size) end,
                 PeerOpts),
    Peer.

%%
%% Waiting for a condition
%%

%% Polls until Condition() is true; fails the case if it never is.
-spec eventually(fun(() -> boolean())) -> ok.
eventually(Condition) ->
    eventually(Condition, ?TIMEOUT div ?POLL_INTERVAL).

eventually(Condition, 0) ->
    error({never_became_true, Condition});
eventually(Condition, Retries) ->
    case Condition() of
        true ->
            ok;
        false ->
            timer:sleep(?POLL_INTERVAL),
            eventually(Condition, Retries - 1)
    end.

%% Waits until a process has nothing left to do but wait for a message, for
%% example in a call that blocks.
-spec at_rest(pid()) -> ok.
at_rest(Pid) ->
    Sample = fun() -> process_info(Pid, [status, reductions, message_queue_len]) end,
    eventually(fun() ->
        [{status, Status} | _] = Before = Sample(),
        timer:sleep(?POLL_INTERVAL),
        Status =:= waiting andalso Before =:= Sample()
    end).

%% Waits until the kernel has received Bytes in all on this connection,
%% whether or not anybody has read them.
-spec arrived(gen_tcp:socket(), non_neg_integer()) -> ok.
arrived(S, Bytes) ->
    eventually(fun() ->
        <<_:128/binary, Received:64/native, _/binary>> = tcp_info(S, 136),
        Received >= Bytes
    end).

%% Waits until the FIN of the other end is here, without reading.
-spec eof_arrived(gen_tcp:socket()) -> ok.
eof_arrived(S) ->
    %% 8 is TCP_CLOSE_WAIT. The others, TIME_WAIT, CLOSE, LAST_ACK and CLOSING,
    %% are where it goes if this end has sent its FIN as well.
    eventually(fun() -> lists:member(tcp_state(S), [6, 7, 8, 9, 11]) end).

%% Waits until the RST of the other end is here, without reading.
-spec reset_arrived(gen_tcp:socket()) -> ok.
reset_arrived(S) ->
    %% 7 is TCP_CLOSE.
    eventually(fun() -> tcp_state(S) =:= 7 end).

%% Waits until the other end's kernel has acknowledged all that this end sent.
-spec acknowledged(gen_tcp:socket() | peer()) -> ok.
acknowledged(S) ->
    eventually(fun() ->
        <<_:24/binary, Unacked:32/native, _:116/binary, NotSent:32/native, _/binary>> =
            tcp_info(S, 148),
        Unacked =:= 0 andalso NotSent =:= 0
    end).

tcp_state(S) ->
    <<State, _/binary>> = tcp_info(S, 1),
    State.

%% The first Size bytes of Linux' struct tcp_info (IPPROTO_TCP 6, TCP_INFO 11).
tcp_info({'$socket', _} = Peer, Size) ->
    {ok, Info} = socket:getopt_native(Peer, {6, 11}, Size),
    Info;
tcp_info(S, Size) ->
    {ok, [{raw, 6, 11, Info}]} = inet:getopts(S, [{raw, 6, 11, Size}]),
    Info.

%%
%% Mailbox and state
%%

%% Empties the mailbox and returns what was in it, oldest first.
-spec flush() -> [term()].
flush() ->
    receive
        Message -> [Message | flush()]
    after 0 ->
        []
    end.

%% Whether the socket is closed for good, by whomever.
-spec is_gone(gen_tcp:socket()) -> boolean().
is_gone(S) ->
    inet:info(S) =:= #{states => [closed]}.

%% What a call came to: the value it returned, or `{raised, Class, Reason}'.
%% `{raised, exit, {Reason, stack}}' stands for an exit reason that carries a
%% stack trace; of other reasons that are tuples only the name is kept.
-spec outcome(fun(() -> term())) -> term().
outcome(Call) ->
    try
        Call()
    catch
        exit:{Reason, [_ | _]} -> {raised, exit, {Reason, stack}};
        Class:Reason when is_tuple(Reason) -> {raised, Class, element(1, Reason)};
        Class:Reason -> {raised, Class, Reason}
    end.

%% The outcome of a call that a process of its own makes, which then exits.
-spec by_another(fun(() -> term())) -> term().
by_another(Call) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({outcome, outcome(Call)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {outcome, Outcome}} -> Outcome;
        {'DOWN', Monitor, process, Pid, Reason} -> {died, Reason}
    after ?TIMEOUT ->
        exit(Pid, kill),
        error({no_outcome, Call})
    end.
