%% @doc gen_tcp:listen/2 and accept/1,2: what a listener takes as options, who
%% gets which connection, and that none is lost when acceptors come and go.
-module(listen_accept_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

%% Runs on a node of its own with few file descriptors.
-export([do_run_out_of_descriptors/1]).

-export([
    listener_is_owned_by_the_caller/1,
    port_option_overrides_the_argument/1,
    ports_and_service_names/1,
    bad_listen_options_exit/1,
    listen_options_refused_below_are_errors/1,
    address_in_use/1,
    foreign_address/1,
    listen_argument_is_no_list/1,
    backlog_values/1,
    accepted_socket_is_owned_by_the_acceptor/1,
    accept_timeout_zero_polls/1,
    accept_times_out/1,
    negative_accept_timeout_is_infinity/1,
    bad_accept_timeouts_raise/1,
    acceptors_are_served_in_order/1,
    expired_acceptors_leave_the_queue/1,
    each_acceptor_has_its_own_timeout/1,
    killed_acceptors_leave_the_queue/1,
    connection_of_a_killed_acceptor_stays_queued/1,
    acceptors_come_and_go/1,
    many_connections_wake_many_acceptors/1,
    acceptors_killed_while_clients_connect/1,
    closing_the_listener_wakes_acceptors/1,
    closing_the_listener_by_another_wakes_acceptors/1,
    death_of_the_listeners_owner_wakes_acceptors/1,
    accepted_sockets_outlive_the_listener/1,
    queued_connections_are_reset_with_the_listener/1,
    client_closed_before_accept/1,
    client_reset_before_accept/1,
    active_listener_arms_before_accept_returns/1,
    active_listener_and_a_client_that_is_over/1,
    accept_takes_options_of_the_listener_as_they_are_now/1,
    listener_survives_running_out_of_descriptors/1
]).

-import(tcp_pairs, [outcome/1, by_another/1, at_rest/1, eventually/1, is_gone/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all_with_shards().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        listener_is_owned_by_the_caller,
        port_option_overrides_the_argument,
        ports_and_service_names,
        bad_listen_options_exit,
        listen_options_refused_below_are_errors,
        address_in_use,
        foreign_address,
        listen_argument_is_no_list,
        backlog_values,
        accepted_socket_is_owned_by_the_acceptor,
        accept_timeout_zero_polls,
        accept_times_out,
        negative_accept_timeout_is_infinity,
        bad_accept_timeouts_raise,
        acceptors_are_served_in_order,
        expired_acceptors_leave_the_queue,
        each_acceptor_has_its_own_timeout,
        killed_acceptors_leave_the_queue,
        connection_of_a_killed_acceptor_stays_queued,
        acceptors_come_and_go,
        many_connections_wake_many_acceptors,
        acceptors_killed_while_clients_connect,
        closing_the_listener_wakes_acceptors,
        closing_the_listener_by_another_wakes_acceptors,
        death_of_the_listeners_owner_wakes_acceptors,
        accepted_sockets_outlive_the_listener,
        queued_connections_are_reset_with_the_listener,
        client_closed_before_accept,
        client_reset_before_accept,
        active_listener_arms_before_accept_returns,
        active_listener_and_a_client_that_is_over,
        accept_takes_options_of_the_listener_as_they_are_now,
        listener_survives_running_out_of_descriptors
    ].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% listen
%%

%% The caller owns the listener, which closes when its owner exits.
listener_is_owned_by_the_caller(_Config) ->
    {ok, L} = gen_tcp:listen(0, []),
    #{owner := Owner} = inet:info(L),
    Owner = self(),
    {ok, Port} = inet:port(L),
    true = Port > 0,
    ok = gen_tcp:close(L),
    {ok, OfAnother} = by_another(fun() -> gen_tcp:listen(0, []) end),
    eventually(fun() -> is_gone(OfAnother) end).

%% {port, P} wins over the first argument, and the last one over others.
port_option_overrides_the_argument(_Config) ->
    {L, Taken} = tcp_pairs:listen(),
    {error, eaddrinuse} = gen_tcp:listen(0, [{port, Taken}]),
    {error, eaddrinuse} = gen_tcp:listen(0, [{port, 0}, {port, Taken}]),
    {ok, L2} = gen_tcp:listen(Taken, [{port, 0}]),
    {ok, Port2} = inet:port(L2),
    true = Port2 =/= Taken,
    ok = gen_tcp:close(L2),
    ok = gen_tcp:close(L).

%% Ports out of range, names of services, and neither
ports_and_service_names(_Config) ->
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:listen(Port, []) end)
     || Port <- [-1, 65536, 70000, nosuchservice]],
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:listen(Port, []) end)
     || Port <- ["80", <<"80">>, 1.5, {80}]],
    %% Some name from the services database whose port is free here.
    Services = [{Name, Port} || Name <- ['xmpp-server', mysql, postgresql, amqp, sip],
                                {ok, Port} <- [inet:getservbyname(Name, tcp)]],
    Listened = [begin ok = gen_tcp:close(L), Port end
                || {Name, Expected} <- Services,
                   {ok, L} <- [gen_tcp:listen(Name, [{ip, {127, 0, 0, 21}}])],
                   {ok, Port} <- [inet:port(L)],
                   Port =:= Expected],
    case {Services, Listened} of
        {[], _} -> {comment, "no services database here: only the unknown name was tried"};
        {_, [_ | _]} -> ok
    end.

%% An unknown option, a value of a wrong type, and an option that
%% is not for listen
bad_listen_options_exit(_Config) ->
    Accepted = [Option || Option <- [
        foo, {foo, 1}, {active, 'maybe'}, {active, 32768}, {packet, 9}, {nodelay, 1},
        {line_delimiter, $;}, {nopush, true}, {dontroute, true}, {tos, foo}, {linger, 5},
        {port, 70000}, {port, foo}, {ip, "127.0.0.1"}, {ip, {127, 0, 0, 256}}
    ], outcome(fun() -> gen_tcp:listen(0, [Option]) end) =/= {raised, exit, badarg}],
    [] = Accepted.

%% A well typed option that driver or kernel refuses is an error
%% here, not an exit as in connect.
listen_options_refused_below_are_errors(_Config) ->
    Accepted = [Option || Option <- [
        {ttl, 0}, {ttl, 256}, {high_msgq_watermark, 0}, {low_msgq_watermark, 0},
        {bind_to_device, <<"nosuch">>}, {tclass, 1}, {ipv6_v6only, true}
    ], outcome(fun() -> gen_tcp:listen(0, [Option]) end) =/= {error, einval}],
    [] = Accepted.

%% A port with a listener is in use, reuseaddr or not, until it closes.
address_in_use(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [{error, eaddrinuse} = gen_tcp:listen(Port, Opts)
     || Opts <- [[], [{reuseaddr, true}], [{ip, ?LOOPBACK}],
                 [{reuseaddr, true}, {ip, ?LOOPBACK}]]],
    ok = gen_tcp:close(L),
    {ok, Again} = gen_tcp:listen(Port, [{reuseaddr, true}, {ip, ?LOOPBACK}]),
    ok = gen_tcp:close(Again).

%% 192.0.2.0/24 is for documentation and never ours.
foreign_address(_Config) ->
    {error, eaddrnotavail} = gen_tcp:listen(0, [{ip, {198, 51, 100, 1}}]).

%% Options that are no list raise.
listen_argument_is_no_list(_Config) ->
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:listen(0, Opts) end)
     || Opts <- [foo, {active, false}, <<>>]],
    ok.

%% Numbers, true and false; how many may wait is up to the kernel.
backlog_values(_Config) ->
    [begin
        {L, _Port} = tcp_pairs:listen(Opts),
        {_Waiting, Backlog} = do_accept_queue(L),
        ok = gen_tcp:close(L)
    end || {Opts, Backlog} <- [{[], 5}, {[{backlog, 0}], 0}, {[{backlog, 17}], 17},
                               {[{backlog, true}], 5}, {[{backlog, false}], 0},
                               {[{backlog, 3}, {backlog, 4}], 4}]],
    [begin
        {L, _Port} = tcp_pairs:listen([{backlog, Backlog}]),
        ok = gen_tcp:close(L)
    end || Backlog <- [-1, 65536, 70000]],
    [{raised, error, function_clause} =
         outcome(fun() -> gen_tcp:listen(0, [{backlog, Backlog}]) end)
     || Backlog <- [foo, 1.5, "5"]],
    ok.

%%
%% accept
%%

%% Whoever accepts owns the socket, not the owner of the listener.
accepted_socket_is_owned_by_the_acceptor(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {Acceptor, _} = do_acceptor(L, infinity),
    Client = tcp_pairs:peer_connect(Port),
    {ok, S} = do_result(Acceptor),
    #{owner := Acceptor} = inet:info(S),
    {error, not_owner} = gen_tcp:controlling_process(S, self()),
    ok = do_stop(Acceptor),
    eventually(fun() -> is_gone(S) end),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Client),
    {error, timeout} = gen_tcp:accept(L, 0),
    tcp_pairs:peer_close(Client),
    ok = gen_tcp:close(L).

%% Timeout 0 takes a connection that waits, and does not wait for one.
accept_timeout_zero_polls(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {error, timeout} = gen_tcp:accept(L, 0),
    Client = tcp_pairs:peer_connect(Port),
    do_queued(L, 1),
    {ok, S} = gen_tcp:accept(L, 0),
    {error, timeout} = gen_tcp:accept(L, 0),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Client),
    ok = gen_tcp:close(L).

%% After a timeout nothing of the call is left, and the next one works.
accept_times_out(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {error, timeout} = gen_tcp:accept(L, 20),
    ok = mailbox:none(),
    Client = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = mailbox:none(),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Client),
    ok = gen_tcp:close(L).

negative_accept_timeout_is_infinity(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {Acceptor, _} = do_acceptor(L, -1),
    Client = tcp_pairs:peer_connect(Port),
    {ok, _} = do_result(Acceptor),
    ok = do_stop(Acceptor),
    tcp_pairs:peer_close(Client),
    ok = gen_tcp:close(L).

%% What is no integer and not infinity raises.
bad_accept_timeouts_raise(_Config) ->
    {L, _Port} = tcp_pairs:listen(),
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:accept(L, Timeout) end)
     || Timeout <- [foo, 1.5, "1"]],
    ok = gen_tcp:close(L).

%% Acceptors are served first come, first served.
acceptors_are_served_in_order(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Acceptors = [element(1, do_acceptor(L, infinity)) || _ <- lists:seq(1, 5)],
    do_served_in_order(Port, Acceptors),
    ok = gen_tcp:close(L).

%% An acceptor whose time is over leaves the others in order.
expired_acceptors_leave_the_queue(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Acceptors = [{element(1, do_acceptor(L, Timeout)), Timeout}
                 || Timeout <- [100, infinity, 100, 100, infinity, infinity, 100]],
    [begin
        {error, timeout} = do_result(Acceptor),
        ok = do_stop(Acceptor)
    end || {Acceptor, 100} <- Acceptors],
    do_served_in_order(Port, [Acceptor || {Acceptor, infinity} <- Acceptors]),
    ok = gen_tcp:close(L).

%% A later acceptor with less time expires first, and does not take
%% the earlier ones with it.
each_acceptor_has_its_own_timeout(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {Patient, _} = do_acceptor(L, 20000),
    {MorePatient, _} = do_acceptor(L, 25000),
    {error, timeout} = gen_tcp:accept(L, 20),
    {error, timeout} = gen_tcp:accept(L, 0),
    do_served_in_order(Port, [Patient, MorePatient]),
    ok = gen_tcp:close(L).

%% Killed acceptors leave the others in order.
killed_acceptors_leave_the_queue(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Acceptors = [element(1, do_acceptor(L, infinity)) || _ <- lists:seq(1, 6)],
    {Killed, Left} = lists:partition(fun(Acceptor) ->
        lists:member(Acceptor, [lists:nth(N, Acceptors) || N <- [1, 4, 6]])
    end, Acceptors),
    [do_kill(Acceptor) || Acceptor <- Killed],
    do_served_in_order(Port, Left),
    ok = gen_tcp:close(L).

%% A connection is not lost with the last acceptor.
connection_of_a_killed_acceptor_stays_queued(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {Acceptor, _} = do_acceptor(L, infinity),
    do_kill(Acceptor),
    Client = tcp_pairs:peer_connect(Port),
    tcp_pairs:peer_send(Client, "hello"),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Client),
    ok = gen_tcp:close(L).

%% Acceptors that expire, die and come back in any order, and
%% clients in between: every client is served, in order.
acceptors_come_and_go(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [begin
        {Dying, _} = do_acceptor(L, infinity),
        {Lasting, _} = do_acceptor(L, infinity),
        {Expiring, _} = do_acceptor(L, 10),
        {error, timeout} = do_result(Expiring),
        {Last, _} = do_acceptor(L, infinity),
        case Round rem 2 of
            0 -> do_kill(Dying), ok = do_stop(Expiring);
            1 -> ok = do_stop(Expiring), do_kill(Dying)
        end,
        do_served_in_order(Port, [Lasting, Last])
    end || Round <- lists:seq(1, 6)],
    {error, timeout} = gen_tcp:accept(L, 0),
    ok = gen_tcp:close(L).

%% Connections that arrive together wake as many acceptors.
many_connections_wake_many_acceptors(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 50}]),
    Acceptors = [element(1, do_acceptor(L, infinity)) || _ <- lists:seq(1, 20)],
    Clients = [spawn_link(fun() ->
        Peer = tcp_pairs:peer_connect(Port),
        receive stop -> tcp_pairs:peer_close(Peer) end
    end) || _ <- Acceptors],
    Accepted = [begin {ok, S} = do_result(Acceptor), S end || Acceptor <- Acceptors],
    20 = length(lists:usort([inet:peername(S) || S <- Accepted])),
    [Client ! stop || Client <- Clients],
    [ok = do_stop(Acceptor) || Acceptor <- Acceptors],
    ok = gen_tcp:close(L).

%% While acceptors are killed at any moment, each connection is
%% either accepted or still waiting for the next acceptor.
acceptors_killed_while_clients_connect(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 100}]),
    Clients = [begin
        {Acceptor, Monitor} = do_spawn_acceptor(L, infinity),
        Client = tcp_pairs:peer_connect(Port),
        exit(Acceptor, kill),
        receive {'DOWN', Monitor, process, Acceptor, killed} -> ok end,
        Client
    end || _ <- lists:seq(1, 50)],
    Waiting = do_accept_all(L),
    [begin
        ok = gen_tcp:send(S, "served"),
        ok = gen_tcp:close(S)
    end || S <- Waiting],
    %% What an acceptor got before it was killed was closed with its owner.
    %% A client that hears nothing at all would be lost.
    Fates = [case tcp_pairs:peer_recv_all(Client) of
                 {<<"served">>, closed} -> served;
                 {<<>>, closed} -> closed_with_its_acceptor
             end || Client <- Clients],
    true = length([served || served <- Fates]) =:= length(Waiting),
    [tcp_pairs:peer_close(Client) || Client <- Clients],
    %% The listener still works.
    Last = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Last),
    ok = gen_tcp:close(L).

%% Each gets closed at once, whatever its timeout.
closing_the_listener_wakes_acceptors(_Config) ->
    {L, _Port} = tcp_pairs:listen(),
    Acceptors = [element(1, do_acceptor(L, Timeout)) || Timeout <- [infinity, 20000, infinity]],
    ok = gen_tcp:close(L),
    [begin
        {error, closed} = do_result(Acceptor),
        ok = do_stop(Acceptor)
    end || Acceptor <- Acceptors],
    ok.

%% Also when it is not the owner who closes
closing_the_listener_by_another_wakes_acceptors(_Config) ->
    {L, _Port} = tcp_pairs:listen(),
    {Acceptor, _} = do_acceptor(L, infinity),
    ok = by_another(fun() -> gen_tcp:close(L) end),
    {error, closed} = do_result(Acceptor),
    ok = do_stop(Acceptor),
    {error, closed} = gen_tcp:accept(L, 0).

%% The same when the listener ends with its owner.
death_of_the_listeners_owner_wakes_acceptors(_Config) ->
    Self = self(),
    Owner = spawn(fun() ->
        Self ! {listener, tcp_pairs:listen()},
        receive never -> ok end
    end),
    L = receive {listener, {Listener, _Port}} -> Listener end,
    Acceptors = [element(1, do_acceptor(L, infinity)) || _ <- [1, 2]],
    exit(Owner, kill),
    [begin
        {error, closed} = do_result(Acceptor),
        ok = do_stop(Acceptor)
    end || Acceptor <- Acceptors],
    {error, closed} = gen_tcp:accept(L, 0).

%% Accepted sockets do not depend on the listener or its owner.
accepted_sockets_outlive_the_listener(_Config) ->
    Self = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        Self ! {listener, tcp_pairs:listen()},
        receive die -> ok end
    end),
    {L, Port} = receive {listener, Listener} -> Listener end,
    {ok, Client} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    Owner ! die,
    receive {'DOWN', Monitor, process, Owner, _} -> ok end,
    eventually(fun() -> is_gone(L) end),
    ok = gen_tcp:send(Client, "still"),
    {ok, <<"still">>} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:send(S, "here"),
    {ok, <<"here">>} = gen_tcp:recv(Client, 4, 5000),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(Client).

%% The kernel resets connections that nobody has accepted.
queued_connections_are_reset_with_the_listener(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Clients = [tcp_pairs:peer_connect(Port) || _ <- [1, 2, 3]],
    do_queued(L, 3),
    ok = gen_tcp:close(L),
    [{<<>>, econnreset} = tcp_pairs:peer_recv_all(Client) || Client <- Clients],
    [tcp_pairs:peer_close(Client) || Client <- Clients],
    ok.

%% What a client sent before it closed can be read after a late accept.
client_closed_before_accept(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Client = tcp_pairs:peer_connect(Port),
    tcp_pairs:peer_send(Client, "hello"),
    tcp_pairs:peer_close(Client),
    do_queued(L, 1),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% A client that reset is accepted, too.
client_reset_before_accept(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Client = tcp_pairs:peer_connect(Port),
    do_queued(L, 1),
    tcp_pairs:peer_reset(Client),
    {ok, S} = gen_tcp:accept(L, 5000),
    eventually(fun() -> inet:peername(S) =:= {error, enotconn} end),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% Data that waits for the acceptor comes as messages.
active_listener_arms_before_accept_returns(_Config) ->
    {L, Port} = tcp_pairs:listen([{active, true}]),
    Client = tcp_pairs:peer_connect(Port),
    tcp_pairs:peer_send(Client, "hello"),
    tcp_pairs:acknowledged(Client),
    {ok, S} = gen_tcp:accept(L, 5000),
    receive {tcp, S, <<"hello">>} -> ok end,
    {error, einval} = gen_tcp:recv(S, 0, 0),
    tcp_pairs:peer_close(Client),
    receive {tcp_closed, S} -> ok end,
    ok = gen_tcp:close(L).

%% Data and end may be there with the socket, which is then gone.
active_listener_and_a_client_that_is_over(_Config) ->
    {L, Port} = tcp_pairs:listen([{active, true}]),
    Client = tcp_pairs:peer_connect(Port),
    tcp_pairs:peer_send(Client, "hello"),
    tcp_pairs:acknowledged(Client),
    tcp_pairs:peer_close(Client),
    {ok, S} = gen_tcp:accept(L, 5000),
    receive {tcp, S, <<"hello">>} -> ok end,
    receive {tcp_closed, S} -> ok end,
    eventually(fun() -> is_gone(S) end),
    {error, einval} = inet:peername(S),
    {error, closed} = gen_tcp:send(S, "data"),
    ok = mailbox:none(),
    ok = gen_tcp:close(L).

%% Changes made while a connection waits, and while an acceptor waits,
%% count.
accept_takes_options_of_the_listener_as_they_are_now(_Config) ->
    {L, Port} = tcp_pairs:listen([{packet, 1}]),
    C1 = tcp_pairs:peer_connect(Port),
    do_queued(L, 1),
    ok = inet:setopts(L, [{packet, 2}]),
    {ok, S1} = gen_tcp:accept(L, 5000),
    {ok, [{packet, 2}]} = inet:getopts(S1, [packet]),
    {Acceptor, _} = do_acceptor(L, infinity),
    ok = inet:setopts(L, [{packet, 4}]),
    C2 = tcp_pairs:peer_connect(Port),
    {ok, S2} = do_result(Acceptor),
    {ok, [{packet, 4}]} = inet:getopts(S2, [packet]),
    ok = do_stop(Acceptor),
    ok = gen_tcp:close(S1),
    [tcp_pairs:peer_close(C) || C <- [C1, C2]],
    ok = gen_tcp:close(L).

%% An acceptor that finds no free descriptor gets emfile; once there
%% are some, the listener serves again. On a node with few descriptors.
listener_survives_running_out_of_descriptors(Config) ->
    {ok, Peer, _Node} = peer:start_link(#{
        connection => standard_io,
        exec => {os:find_executable("sh"), ["-c", "ulimit -n 128; exec erl \"$@\"", "erl"]},
        args => ["-pa" | code:get_path()]
    }),
    Group = driver_groups:driver(Config),
    ok = peer:call(Peer, ?MODULE, do_run_out_of_descriptors, [Group], 20000),
    peer:stop(Peer).

do_run_out_of_descriptors(Group) ->
    {ok, _} = application:ensure_all_started(kernel),
    %% Code cannot be loaded later, when there is no descriptor for the file.
    {module, _} = code:ensure_loaded(tcp_pairs),
    Config = driver_groups:init(Group, []),
    {L, Port} = tcp_pairs:listen([{backlog, 200}]),
    {Clients, Accepted} = do_connect_and_accept(L, Port, [], []),
    {error, emfile} = gen_tcp:accept(L, 5000),
    [ok = gen_tcp:close(S) || S <- Accepted ++ Clients],
    {ok, Waiting} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:close(Waiting),
    {ok, Client} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    [ok = gen_tcp:close(Socket) || Socket <- [Client, S, L]],
    driver_groups:done(Group, Config).

%% Connects and accepts until an accept has no descriptor.
do_connect_and_accept(L, Port, Clients, Accepted) ->
    case gen_tcp:connect(?LOOPBACK, Port, [{active, false}], 5000) of
        {ok, Client} ->
            case gen_tcp:accept(L, 5000) of
                {ok, S} -> do_connect_and_accept(L, Port, [Client | Clients], [S | Accepted]);
                {error, emfile} -> {[Client | Clients], Accepted}
            end;
        {error, emfile} ->
            %% The last descriptor went to an accept: free one for a client
            %% whose connection then finds none.
            [S | Rest] = Accepted,
            ok = gen_tcp:close(S),
            {ok, Client} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}], 5000),
            {[Client | Clients], Rest}
    end.

%%
%% Helpers
%%

%% A process that waits in accept when this returns, reports the result and
%% lives on as the owner of the socket.
do_acceptor(L, Timeout) ->
    {Acceptor, Monitor} = do_spawn_acceptor(L, Timeout),
    case Timeout of
        Short when is_integer(Short), Short >= 0, Short < 100 -> ok;
        _ -> at_rest(Acceptor)
    end,
    {Acceptor, Monitor}.

do_spawn_acceptor(L, Timeout) ->
    Self = self(),
    spawn_monitor(fun() ->
        Self ! {result, self(), gen_tcp:accept(L, Timeout)},
        receive stop -> ok end
    end).

do_result(Acceptor) ->
    receive {result, Acceptor, Result} -> Result end.

do_stop(Acceptor) ->
    Acceptor ! stop,
    receive {'DOWN', _, process, Acceptor, normal} -> ok end.

do_kill(Acceptor) ->
    exit(Acceptor, kill),
    receive {'DOWN', _, process, Acceptor, killed} -> ok end.

%% Clients connect one after the other; each goes to the next acceptor.
do_served_in_order(Port, Acceptors) ->
    [begin
        Client = tcp_pairs:peer_connect(Port),
        tcp_pairs:peer_send(Client, integer_to_binary(N)),
        {Acceptor, {ok, S}} = receive {result, First, Result} -> {First, Result} end,
        {ok, Data} = gen_tcp:recv(S, 0, 5000),
        N = binary_to_integer(Data),
        ok = do_stop(Acceptor),
        tcp_pairs:peer_close(Client)
    end || {N, Acceptor} <- lists:enumerate(Acceptors)],
    ok.

do_accept_all(L) ->
    case gen_tcp:accept(L, 0) of
        {ok, S} -> [S | do_accept_all(L)];
        {error, timeout} -> []
    end.

%% Waits until N connections are ready to be accepted.
do_queued(L, N) ->
    eventually(fun() -> element(1, do_accept_queue(L)) =:= N end).

%% How many connections wait at a listener and how many may: what the kernel
%% says in the fields tcpi_unacked and tcpi_sacked of struct tcp_info.
do_accept_queue(L) ->
    {ok, [{raw, 6, 11, <<_:24/binary, Waiting:32/native, Backlog:32/native>>}]} =
        inet:getopts(L, [{raw, 6, 11, 32}]),
    {Waiting, Backlog}.
