%% @doc What an installation of gentcp leaves alone: processes that wait in stock sockets, whatever is
%% loaded or purged, and the distribution of the node.
%%
%% Nodes of their own, because a module can be loaded, but not unloaded without a trace.
-module(install_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0]).
-export([do_wait_for_connection/1, do_linked_to_net_kernel/1, do_keep/1]).

-export([
    loading_modified_modules_kills_nobody/1,
    installation_after_a_reload_installs/1,
    installation_that_would_kill_is_an_error/1,
    installation_starts_what_was_stopped/1,
    distribution_keeps_its_connections/1,
    distribution_over_tls_keeps_its_connections/1
]).

-define(LOOPBACK, {127, 0, 0, 1}).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [
        loading_modified_modules_kills_nobody,
        installation_after_a_reload_installs,
        installation_that_would_kill_is_an_error,
        installation_starts_what_was_stopped,
        distribution_keeps_its_connections,
        distribution_over_tls_keeps_its_connections
    ].

%%
%% Loading
%%

%% The acceptor waits in the code of OTP, which is the old code once gentcp is installed.
loading_modified_modules_kills_nobody(_Config) ->
    {ok, Peer, _} = peer_node:start([]),
    Acceptor = do_acceptor(Peer),
    ok = peer:call(Peer, gentcp, install, []),
    ?assertEqual([], peer:call(Peer, code, modified_modules, [])),
    _ = peer:call(Peer, c, lm, []),
    do_is_served(Peer, Acceptor),
    peer:stop(Peer).

installation_after_a_reload_installs(_Config) ->
    {ok, Peer, _} = peer_node:start([]),
    ok = peer:call(Peer, gentcp, install, []),
    ok = do_reload(Peer, inet_tcp),
    %% Somebody has seen to it that this is stock again, whatever was said before.
    ?assertMatch(P when is_port(P), do_listen(Peer)),
    ok = peer:call(Peer, gentcp, install, []),
    ?assertMatch({'$inet', gentcp, _}, do_listen(Peer)),
    ok = peer:call(Peer, gentcp, uninstall, []),
    ?assertMatch(P when is_port(P), do_listen(Peer)),
    peer:stop(Peer).

%% A process that waits on a stock listener in the forwarding module, which is replaced.
installation_that_would_kill_is_an_error(_Config) ->
    {ok, Peer, _} = peer_node:start([]),
    ok = peer:call(Peer, gentcp, install, []),
    ok = peer:call(Peer, gentcp, uninstall, []),
    Acceptor = do_acceptor(Peer),
    ok = do_reload(Peer, inet_tcp),
    ?assertEqual({error, {old_code, inet_tcp}}, peer:call(Peer, gentcp, install, [])),
    do_is_served(Peer, Acceptor),
    ok = peer:call(Peer, gentcp, install, []),
    ?assertMatch({'$inet', gentcp, _}, do_listen(Peer)),
    peer:stop(Peer).

installation_starts_what_was_stopped(_Config) ->
    {ok, Peer, _} = peer_node:start([]),
    ok = peer:call(Peer, gentcp, install, []),
    ok = peer:call(Peer, application, stop, [gentcp]),
    ?assertEqual({error, closed}, peer:call(Peer, gen_tcp, listen, [0, []])),
    ok = peer:call(Peer, gentcp, install, []),
    ?assertMatch({'$inet', gentcp, _}, do_listen(Peer)),
    peer:stop(Peer).

%%
%% Distribution
%%

distribution_keeps_its_connections(_Config) ->
    do_distribution([]).

%% It connects through ssl, and that with `gen_tcp', as everybody does.
distribution_over_tls_keeps_its_connections(Config) ->
    OptFile = do_tls_options(proplists:get_value(priv_dir, Config)),
    do_distribution(["-proto_dist", "inet_tls", "-ssl_dist_optfile", OptFile]).

do_distribution(Args) ->
    "" = os:cmd("epmd -daemon"),
    Peers = [Peer || _ <- [1, 2], {ok, Peer, _} <- [peer_node:start(Args)]],
    Nodes = [begin
                 ok = peer:call(Peer, gentcp, install, []),
                 Name = list_to_atom(lists:concat(["gentcp_", erlang:unique_integer([positive]), "_",
                                                   os:getpid()])),
                 {ok, _} = peer:call(Peer, net_kernel, start, [[Name, shortnames]]),
                 true = peer:call(Peer, erlang, set_cookie, [gentcp_test]),
                 peer:call(Peer, erlang, node, [])
             end || Peer <- Peers],
    [Peer1, Peer2] = Peers,
    ?assertEqual(pong, peer:call(Peer1, net_adm, ping, [lists:last(Nodes)], 20_000)),
    ?assertEqual([lists:last(Nodes)], peer:call(Peer1, erlang, nodes, [])),
    %% No connection of these is one of gentcp, not even that to epmd.
    [?assertEqual([], peer:call(Peer, gentcp, which_sockets, [])) || Peer <- Peers],
    %% Nor what another way to distribute would open in such a process; but all else is.
    ?assertMatch(P when is_port(P), peer:call(Peer2, ?MODULE, do_linked_to_net_kernel, [connect])),
    ?assertMatch({'$inet', gentcp, _}, do_listen(Peer2)),
    [peer:stop(Peer) || Peer <- Peers].

%%
%% Helpers
%%

%% As somebody does who does not know of gentcp.
do_reload(Peer, Module) ->
    IsSticky = peer:call(Peer, code, is_sticky, [Module]),
    _ = IsSticky andalso peer:call(Peer, code, unstick_mod, [Module]),
    {module, Module} = peer:call(Peer, code, load_file, [Module]),
    ok.

do_listen(Peer) ->
    {ok, L} = peer:call(Peer, gen_tcp, listen, [0, [{ip, ?LOOPBACK}]]),
    L.

%% A process that waits for a connection on a stock socket, and its port.
do_acceptor(Peer) ->
    Self = peer:call(Peer, erlang, spawn, [?MODULE, do_keep, [[]]]),
    Pid = peer:call(Peer, erlang, spawn, [?MODULE, do_wait_for_connection, [Self]]),
    tcp_pairs:eventually(fun() ->
        peer:call(Peer, erlang, process_info, [Pid, current_function])
            =:= {current_function, {prim_inet, accept0, 3}}
    end),
    {Pid, Self}.

do_wait_for_connection(Keeper) ->
    {ok, L} = gen_tcp:listen(0, [{ip, ?LOOPBACK}, {active, false}]),
    {ok, Port} = inet:port(L),
    Keeper ! {port, Port},
    {ok, _} = gen_tcp:accept(L),
    Keeper ! {port, accepted},
    receive never -> ok end.

do_keep(Told) ->
    receive
        {port, What} -> do_keep([What | Told]);
        {From, told} -> From ! {told, Told}, do_keep(Told)
    end.

do_is_served(Peer, {Pid, Keeper}) ->
    ?assert(peer:call(Peer, erlang, is_process_alive, [Pid])),
    [Port] = do_told(Peer, Keeper),
    {ok, _} = gen_tcp:connect(?LOOPBACK, Port, []),
    tcp_pairs:eventually(fun() -> hd(do_told(Peer, Keeper)) =:= accepted end).

do_told(Peer, Keeper) ->
    peer:call(Peer, erlang, apply, [fun() ->
        Keeper ! {self(), told},
        receive {told, Told} -> Told end
    end, []]).

do_linked_to_net_kernel(connect) ->
    {ok, L} = gen_tcp:listen(0, [{ip, ?LOOPBACK}]),
    {ok, Port} = inet:port(L),
    link(whereis(net_kernel)),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, []),
    unlink(whereis(net_kernel)),
    C.

do_tls_options(Dir) ->
    Certificate = [{key, {namedCurve, secp256r1}}, {digest, sha256}],
    Chain = #{root => Certificate, intermediates => [], peer => Certificate},
    #{server_config := Server} =
        public_key:pkix_test_data(#{server_chain => Chain, client_chain => Chain}),
    {KeyType, Key} = proplists:get_value(key, Server),
    File = fun(Name, Entry) ->
        Path = filename:join(Dir, Name),
        ok = file:write_file(Path, public_key:pem_encode([Entry])),
        Path
    end,
    CertFile = File("cert.pem", {'Certificate', proplists:get_value(cert, Server), not_encrypted}),
    KeyFile = File("key.pem", {KeyType, Key, not_encrypted}),
    OptFile = filename:join(Dir, "dist.conf"),
    ok = file:write_file(OptFile, io_lib:format("~tp.~n", [
        [{server, [{certfile, CertFile}, {keyfile, KeyFile}, {verify, verify_none}]},
         {client, [{verify, verify_none}]}]])),
    OptFile.
