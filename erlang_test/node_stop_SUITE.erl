%% @doc What a peer gets that reads slowly when the node stops: all that `send' has said `ok' to, and an
%% orderly end behind it.
-module(node_stop_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([do_send/3]).

-export([
    output_outlives_a_stop_of_the_node/1,
    output_outlives_its_owner_and_the_node/1,
    output_outlives_a_halt/1,
    output_outlives_a_stop_of_the_application/1,
    missing_output_is_no_orderly_end/1
]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(SIZE, 5_000_000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    driver_groups:all().

groups() ->
    Both = [output_outlives_a_stop_of_the_node, output_outlives_its_owner_and_the_node,
            output_outlives_a_halt],
    [{stock, [], Both},
     {gentcp, [], Both ++ [output_outlives_a_stop_of_the_application,
                           missing_output_is_no_orderly_end]}].

init_per_group(Driver, Config) ->
    [{driver, Driver} | Config].

end_per_group(_Driver, _Config) ->
    ok.

output_outlives_a_stop_of_the_node(Config) ->
    {Node, Peer, _Owner} = do_sent(Config),
    ok = peer:cast(Node, init, stop, []),
    do_all_arrives(Peer).

output_outlives_its_owner_and_the_node(Config) ->
    {Node, Peer, Owner} = do_sent(Config),
    true = peer:call(Node, erlang, exit, [Owner, kill]),
    ok = peer:cast(Node, init, stop, []),
    do_all_arrives(Peer).

output_outlives_a_halt(Config) ->
    {Node, Peer, _Owner} = do_sent(Config),
    ok = peer:cast(Node, erlang, halt, [0]),
    do_all_arrives(Peer).

%% The program is left to itself, and the next one can be started at once.
output_outlives_a_stop_of_the_application(Config) ->
    {Node, Peer, _Owner} = do_sent(Config),
    ok = peer:call(Node, application, stop, [gentcp], 20_000),
    ok = peer:call(Node, application, start, [gentcp]),
    {ok, _} = peer:call(Node, gentcp, listen, [0, []]),
    do_all_arrives(Peer),
    peer:stop(Node).

%% A node that is killed has left the data of its pipe behind.
missing_output_is_no_orderly_end(Config) ->
    {Node, Peer, _Owner} = do_sent(Config),
    NodePid = peer:call(Node, os, getpid, []),
    #{os_pid := OsPid} = peer:call(Node, gentcp, port_info, []),
    "" = os:cmd("kill -KILL " ++ NodePid),
    tcp_pairs:eventually(fun() -> not os_process:lives(OsPid) end),
    %% What the port program had is perhaps still sent; but nobody takes it for all there was.
    {_Got, Reason} = do_receive(Peer, 0),
    ?assertEqual(econnreset, Reason).

%% A node of its own that has sent, and has `ok', to a peer that has not read.
do_sent(Config) ->
    {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {ip, ?LOOPBACK}, {recbuf, 8192},
                                        {show_econnreset, true}]),
    {ok, Port} = inet:port(Listener),
    {ok, Node, _} = peer_node:start(),
    Owner = peer:call(Node, erlang, spawn,
                      [?MODULE, do_send, [proplists:get_value(driver, Config),
                                          Port, ?SIZE]]),
    {ok, Peer} = gen_tcp:accept(Listener, 20_000),
    tcp_pairs:eventually(fun() ->
        peer:call(Node, erlang, process_info, [Owner, registered_name])
            =:= {registered_name, ?MODULE}
    end),
    {Node, Peer, Owner}.

do_send(Driver, Port, Size) ->
    _ = Driver =:= gentcp andalso gentcp:install(),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}, {sndbuf, 8192},
                                                {high_watermark, 100_000_000}]),
    ok = gen_tcp:send(C, binary:copy(<<"x">>, Size)),
    register(?MODULE, self()),
    receive never -> ok end.

do_all_arrives(Peer) ->
    ?assertEqual({?SIZE, closed}, do_receive(Peer, 0)).

%% How much comes, and how it ends. This end is on the stock driver in either group.
do_receive(Peer, Got) ->
    case gen_tcp:recv(Peer, 0, 20_000) of
        {ok, Data} -> do_receive(Peer, Got + byte_size(Data));
        {error, Reason} -> {Got, Reason}
    end.
