%% @doc What each call answers in each state of a socket, and what the calls
%% after it answer on a socket whose connection is over.
%%
%% States: `live_passive' and `live_active' are connected; `listening' is a
%% listen socket; `half' has `{exit_on_close, false}' and has reported the end
%% of its input; `husk' has lost its descriptor while its term is still valid;
%% `gone' is closed. There are several ways into `husk' and `gone', and a
%% matrix row goes through all of them.
-module(calls_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

%% One call, every state.
-export([
    send_in_every_state/1,
    recv_in_every_state/1,
    unrecv_in_every_state/1,
    unrecv_is_delivered_at_once_when_active/1,
    accept_in_every_state/1,
    shutdown_in_every_state/1,
    close_in_every_state/1,
    controlling_process_by_the_owner/1,
    controlling_process_by_a_non_owner/1,
    peername_in_every_state/1,
    sockname_in_every_state/1,
    socknames_in_every_state/1,
    peernames_in_every_state/1,
    setopts_of_the_driver_in_every_state/1,
    setopts_is_effective_on_a_husk/1,
    setopts_of_the_kernel_in_every_state/1,
    setopts_refused_on_a_husk/1,
    getopts_in_every_state/1,
    getstat_in_every_state/1,
    info_states_in_every_state/1,
    info_states_of_a_listener_with_an_acceptor/1,
    monitor_in_every_state/1,
    sendfile_by_the_owner/1,
    sendfile_by_a_non_owner/1,
    gone_is_noticed_before_bad_arguments/1,
    calls_on_a_half_socket_after_a_reset/1
]).

%% Sequences of results.
-export([
    recv_sees_the_end/1,
    recv_sees_a_reset/1,
    recv_sees_a_reset_shown/1,
    recv_sees_a_framing_error/1,
    send_fails/1,
    send_fails_shown/1,
    reset_with_queued_output/1,
    reset_with_queued_output_shown/1,
    reset_with_queued_output_seen_by_recv/1,
    send_timeout_close_fires/1,
    half_then_reset/1,
    half_then_reset_shown/1,
    half_by_a_reset_shown/1,
    active_half_by_a_reset/1,
    active_half_by_a_reset_shown/1,
    husk_is_armed/1,
    husk_is_armed_after_a_failed_send_shown/1,
    peer_closed_and_nothing_read/1
]).

-import(tcp_pairs, [
    outcome/1, by_another/1, eventually/1, flush/0, is_gone/1,
    eof_arrived/1, reset_arrived/1
]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        send_in_every_state,
        recv_in_every_state,
        unrecv_in_every_state,
        unrecv_is_delivered_at_once_when_active,
        accept_in_every_state,
        shutdown_in_every_state,
        close_in_every_state,
        controlling_process_by_the_owner,
        controlling_process_by_a_non_owner,
        peername_in_every_state,
        sockname_in_every_state,
        socknames_in_every_state,
        peernames_in_every_state,
        setopts_of_the_driver_in_every_state,
        setopts_is_effective_on_a_husk,
        setopts_of_the_kernel_in_every_state,
        setopts_refused_on_a_husk,
        getopts_in_every_state,
        getstat_in_every_state,
        info_states_in_every_state,
        info_states_of_a_listener_with_an_acceptor,
        monitor_in_every_state,
        sendfile_by_the_owner,
        sendfile_by_a_non_owner,
        gone_is_noticed_before_bad_arguments,
        calls_on_a_half_socket_after_a_reset,
        recv_sees_the_end,
        recv_sees_a_reset,
        recv_sees_a_reset_shown,
        recv_sees_a_framing_error,
        send_fails,
        send_fails_shown,
        reset_with_queued_output,
        reset_with_queued_output_shown,
        reset_with_queued_output_seen_by_recv,
        send_timeout_close_fires,
        half_then_reset,
        half_then_reset_shown,
        half_by_a_reset_shown,
        active_half_by_a_reset,
        active_half_by_a_reset_shown,
        husk_is_armed,
        husk_is_armed_after_a_failed_send_shown,
        peer_closed_and_nothing_read
    ].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% One call, every state
%%

send_in_every_state(_Config) ->
    do_matrix(fun(S) -> gen_tcp:send(S, "data") end, #{
        live_passive => ok,
        live_active => ok,
        listening => {error, enotconn},
        half => ok,
        %% The first send after recv has said closed says so once more.
        husk_by_recv => {error, closed},
        husk_by_send => {error, enotconn},
        husk_by_send_timeout => {error, enotconn},
        husk_by_send_armed => {error, enotconn},
        gone => {error, closed}
    }).

recv_in_every_state(_Config) ->
    do_matrix(fun(S) -> gen_tcp:recv(S, 0, 0) end, #{
        live_passive => {error, timeout},
        live_active => {error, einval},
        listening => {error, enotconn},
        half => {error, closed},
        husk_by_recv => {error, enotconn},
        %% The first recv after a send has failed says closed once.
        husk_by_send => {error, closed},
        husk_by_send_timeout => {error, enotconn},
        gone => {error, closed}
    }).

unrecv_in_every_state(_Config) ->
    do_matrix(fun(S) -> gen_tcp:unrecv(S, <<"back">>) end, #{
        live_passive => ok,
        live_active => ok,
        listening => {error, enotconn},
        half => ok,
        husk => {error, enotconn},
        gone => {error, closed}
    }).

%% The bytes come as a message before unrecv returns.
unrecv_is_delivered_at_once_when_active(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}]),
    ok = gen_tcp:unrecv(S, <<"back">>),
    [{tcp, S, <<"back">>}] = flush(),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

accept_in_every_state(_Config) ->
    do_matrix(fun(S) -> gen_tcp:accept(S, 0) end, #{
        live_passive => {error, einval},
        live_active => {error, einval},
        listening => {error, timeout},
        half => {error, einval},
        husk => {error, einval},
        gone => {error, closed}
    }).

shutdown_in_every_state(_Config) ->
    [do_matrix(fun(S) -> gen_tcp:shutdown(S, How) end, #{
        live_passive => ok,
        live_active => ok,
        listening => {error, enotconn},
        half => ok,
        husk => {error, enotconn},
        gone => {error, closed}
    }) || How <- [write, read, read_write]],
    ok.

%% ok in every state, as often as one likes, from any process.
close_in_every_state(_Config) ->
    Close = fun(S) ->
        [gen_tcp:close(S), gen_tcp:close(S), inet:close(S),
         by_another(fun() -> gen_tcp:close(S) end), is_gone(S)]
    end,
    CloseByAnother = fun(S) ->
        [by_another(fun() -> inet:close(S) end), gen_tcp:close(S), is_gone(S)]
    end,
    do_matrix(Close, do_everywhere([ok, ok, ok, ok, true])),
    do_matrix(CloseByAnother, do_everywhere([ok, ok, true])).

controlling_process_by_the_owner(_Config) ->
    do_matrix(fun(S) ->
        New = spawn(fun() -> receive stop -> ok end end),
        Result = gen_tcp:controlling_process(S, New),
        New ! stop,
        Result
    end, do_everywhere(ok, {error, closed})).

controlling_process_by_a_non_owner(_Config) ->
    do_matrix(fun(S) ->
        by_another(fun() -> gen_tcp:controlling_process(S, self()) end)
    end, do_everywhere({error, not_owner}, {error, closed})).

peername_in_every_state(_Config) ->
    IsAddress = fun({ok, {{127, 0, 0, 1}, Port}}) -> is_integer(Port); (_) -> false end,
    do_matrix(fun inet:peername/1, #{
        live_passive => IsAddress,
        live_active => IsAddress,
        listening => {error, enotconn},
        half => IsAddress,
        husk => {error, enotconn},
        gone => {error, einval}
    }).

%% And inet:port.
sockname_in_every_state(_Config) ->
    IsAddress = fun({ok, {{127, 0, 0, 1}, Port}}) -> is_integer(Port); (_) -> false end,
    IsPort = fun({ok, Port}) -> is_integer(Port); (_) -> false end,
    do_matrix(fun inet:sockname/1, #{
        live_passive => IsAddress,
        live_active => IsAddress,
        listening => IsAddress,
        half => IsAddress,
        husk => {error, ebadf},
        gone => {error, einval}
    }),
    do_matrix(fun inet:port/1, #{
        live_passive => IsPort,
        live_active => IsPort,
        listening => IsPort,
        half => IsPort,
        husk => {error, ebadf},
        gone => {error, einval}
    }).

socknames_in_every_state(_Config) ->
    IsAddresses = fun({ok, [{{127, 0, 0, 1}, Port}]}) -> is_integer(Port); (_) -> false end,
    do_matrix(fun inet:socknames/1, #{
        live_passive => IsAddresses,
        live_active => IsAddresses,
        listening => IsAddresses,
        half => IsAddresses,
        husk => {error, exbadport},
        gone => {error, einval}
    }).

peernames_in_every_state(Config) ->
    case driver_groups:on_stock(Config) of
        true ->
            IsAddresses = fun({ok, [{{127, 0, 0, 1}, Port}]}) -> is_integer(Port);
                             (_) -> false
                          end,
            do_matrix(fun inet:peernames/1, #{
                live_passive => IsAddresses,
                live_active => IsAddresses,
                listening => {error, enotconn},
                half => IsAddresses,
                husk => {error, exbadport},
                gone => {error, einval}
            });
        false ->
            %% OTP itself knows only ports here, whatever module is behind
            %% the socket.
            do_matrix(fun inet:peernames/1, do_everywhere({raised, error, function_clause}))
    end.

%% Options that the driver keeps itself.
setopts_of_the_driver_in_every_state(_Config) ->
    do_matrix(fun(S) -> inet:setopts(S, [{send_timeout, 17}, {packet, 2}]) end,
              do_everywhere(ok, {error, einval})).

%% They take effect without a descriptor too.
setopts_is_effective_on_a_husk(_Config) ->
    do_matrix(fun(S) ->
        [inet:setopts(S, [{packet, 4}, {high_watermark, 5000}]),
         inet:getopts(S, [packet, high_watermark])]
    end, #{husk => [ok, {ok, [{packet, 4}, {high_watermark, 5000}]}]}).

%% Options that the kernel keeps: without a descriptor most are ok and have no effect.
setopts_of_the_kernel_in_every_state(_Config) ->
    do_matrix(fun(S) -> inet:setopts(S, [{nodelay, true}, {keepalive, true}]) end,
              do_everywhere(ok, {error, einval})).

%% These report that there is no descriptor.
setopts_refused_on_a_husk(_Config) ->
    [do_matrix(fun(S) -> inet:setopts(S, [Option]) end, #{husk => {error, einval}})
     || Option <- [{priority, 1}, {tos, 16}, {tclass, 16}, {ttl, 60}, {recvtos, true},
                   {recvttl, true}, {recvtclass, true}, {bind_to_device, <<"lo">>}]],
    ok.

%% On a husk what the kernel held is missing from the list.
getopts_in_every_state(_Config) ->
    Get = fun(S) -> inet:getopts(S, [packet, nodelay, mode]) end,
    All = {ok, [{packet, 0}, {nodelay, false}, {mode, binary}]},
    do_matrix(Get, #{
        live_passive => All,
        live_active => All,
        listening => All,
        half => All,
        husk => {ok, [{packet, 0}, {mode, binary}]},
        gone => {error, einval}
    }).

getstat_in_every_state(_Config) ->
    do_matrix(fun(S) -> inet:getstat(S, [recv_oct, recv_cnt]) end, #{
        live_passive => {ok, [{recv_oct, 0}, {recv_cnt, 0}]},
        live_active => {ok, [{recv_oct, 0}, {recv_cnt, 0}]},
        listening => {ok, [{recv_oct, 0}, {recv_cnt, 0}]},
        %% These have received one chunk before their input ended.
        half => {ok, [{recv_oct, 6}, {recv_cnt, 1}]},
        husk_by_recv => {ok, [{recv_oct, 6}, {recv_cnt, 1}]},
        gone => {error, einval}
    }).

info_states_in_every_state(_Config) ->
    States = fun(S) -> lists:sort(maps:get(states, inet:info(S))) end,
    do_matrix(States, #{
        live_passive => [connected, open],
        live_active => [connected, open],
        listening => [listen, open],
        half => [connected, open],
        husk => [],
        gone => [closed]
    }),
    do_matrix(fun inet:info/1, #{gone => #{states => [closed]}}).

%% A listener is `accepting' while somebody waits in accept.
info_states_of_a_listener_with_an_acceptor(_Config) ->
    {L, _Port} = tcp_pairs:listen(),
    {Acceptor, Monitor} = spawn_monitor(fun() -> exit(gen_tcp:accept(L)) end),
    eventually(fun() ->
        lists:sort(maps:get(states, inet:info(L))) =:= [accepting, listen, open]
    end),
    ok = gen_tcp:close(L),
    receive {'DOWN', Monitor, process, Acceptor, Reason} -> {error, closed} = Reason end.

%% A reference in every state, and DOWN at once if gone.
monitor_in_every_state(_Config) ->
    do_matrix(fun(S) ->
        Ref = inet:monitor(S),
        true = is_reference(Ref),
        Before = [Reason || {'DOWN', R, _, Term, Reason} <- flush(), R =:= Ref, Term =:= S],
        ok = gen_tcp:close(S),
        case Before of
            [] ->
                receive {'DOWN', Ref, _Type, S, Reason} -> {after_close, Reason} end;
            [Reason] ->
                {at_once, Reason}
        end
    end, do_everywhere({after_close, normal}, {at_once, noproc})).

sendfile_by_the_owner(Config) ->
    File = do_file(Config, <<"contents">>),
    do_matrix(fun(S) -> file:sendfile(File, S) end, #{
        live_passive => {ok, 8},
        live_active => {ok, 8},
        listening => {error, enotconn},
        half => {ok, 8},
        half_by_reset => {error, closed},
        husk => {error, enotconn},
        gone => {error, einval}
    }).

sendfile_by_a_non_owner(Config) ->
    File = do_file(Config, <<"contents">>),
    do_matrix(fun(S) -> by_another(fun() -> file:sendfile(File, S) end) end,
              do_everywhere({error, not_owner}, {error, einval})).

%% Calls of gen_tcp say closed before they look at their arguments.
gone_is_noticed_before_bad_arguments(_Config) ->
    do_matrix(fun(S) ->
        [outcome(fun() -> gen_tcp:recv(S, foo, 0) end),
         outcome(fun() -> gen_tcp:accept(S, foo) end),
         outcome(fun() -> gen_tcp:shutdown(S, foo) end),
         outcome(fun() -> gen_tcp:controlling_process(S, foo) end)]
    end, #{gone => lists:duplicate(4, {error, closed})}).

%% peername, shutdown, recv and sockname once the peer has reset.
calls_on_a_half_socket_after_a_reset(_Config) ->
    do_matrix(fun(S) ->
        [inet:peername(S), gen_tcp:shutdown(S, write), gen_tcp:recv(S, 0, 0),
         gen_tcp:recv(S, 0, 0), element(1, inet:sockname(S))]
    end, #{
        half_by_reset => [{error, enotconn}, {error, enotconn}, {error, closed},
                          {error, closed}, ok]
    }).

%%
%% Sequences of results
%%

%% recv says closed, then enotconn; and so do sends.
recv_sees_the_end(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_close(Peer),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    {error, enotconn} = gen_tcp:recv(S, 0, 1000),
    ok = gen_tcp:close(S).

%% The same as the end.
recv_sees_a_reset(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_reset(Peer),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    ok = gen_tcp:close(S).

%% With show_econnreset recv says econnreset once; sends are not connected from the start.
recv_sees_a_reset_shown(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{show_econnreset, true}]),
    tcp_pairs:peer_reset(Peer),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    [{error, enotconn}, {error, enotconn}] = do_sends(S, 2),
    ok = gen_tcp:close(S).

%% recv says emsgsize once; after it nothing is connected.
recv_sees_a_framing_error(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {packet_size, 10}]),
    tcp_pairs:peer_send(Peer, <<11:16, "hello world">>),
    [{error, emsgsize}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    [{error, enotconn}, {error, enotconn}] = do_sends(S, 2),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% That send says closed, and so does the first recv; later ones are not connected.
send_fails(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_reset(Peer),
    reset_arrived(S),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% With show_econnreset both say econnreset.
send_fails_shown(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{show_econnreset, true}]),
    tcp_pairs:peer_reset(Peer),
    reset_arrived(S),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% The next send and the first recv both report it.
reset_with_queued_output(_Config) ->
    S = do_reset_while_queued([]),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% The same with show_econnreset.
reset_with_queued_output_shown(_Config) ->
    S = do_reset_while_queued([{show_econnreset, true}]),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% A recv that comes first leaves enotconn to the sends.
reset_with_queued_output_seen_by_recv(_Config) ->
    S1 = do_reset_while_queued([]),
    [{error, closed}, {error, enotconn}] = do_recvs(S1, 2),
    [{error, enotconn}, {error, enotconn}] = do_sends(S1, 2),
    ok = gen_tcp:close(S1),
    S2 = do_reset_while_queued([{show_econnreset, true}]),
    [{error, econnreset}, {error, enotconn}] = do_recvs(S2, 2),
    [{error, enotconn}, {error, enotconn}] = do_sends(S2, 2),
    ok = gen_tcp:close(S2).

%% The send says timeout; whatever comes later is not connected.
send_timeout_close_fires(_Config) ->
    {S, Peer} = do_open_full([{send_timeout, 50}, {send_timeout_close, true}]),
    [{error, timeout}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{error, enotconn}, {error, enotconn}] = do_recvs(S, 2),
    {error, enotconn} = inet:peername(S),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Two sends say closed, then none is connected; the first recv says closed.
half_then_reset(_Config) ->
    S = do_half_then_reset([]),
    [{error, closed}, {error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 4),
    [{error, closed}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% The same with show_econnreset: econnreset.
half_then_reset_shown(_Config) ->
    S = do_half_then_reset([{show_econnreset, true}]),
    [{error, econnreset}, {error, econnreset}, {error, enotconn}, {error, enotconn}] =
        do_sends(S, 4),
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
    ok = gen_tcp:close(S).

%% With show_econnreset a send says econnreset once, or twice if a recv has
%% already said closed.
half_by_a_reset_shown(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}, {show_econnreset, true}]),
        tcp_pairs:peer_reset(Peer),
        Recvs = do_recvs(S, length(Recvs)),
        Sends = do_sends(S, length(Sends)),
        [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_recvs(S, 3),
        ok = gen_tcp:close(S)
    end || {Recvs, Sends} <- [
        {[{error, econnreset}],
         [{error, econnreset}, {error, enotconn}, {error, enotconn}]},
        {[{error, econnreset}, {error, closed}, {error, closed}],
         [{error, econnreset}, {error, econnreset}, {error, enotconn}]}
    ]],
    ok.

%% The owner has had tcp_closed; two sends say closed, then none is connected.
active_half_by_a_reset(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}, {active, true}]),
    tcp_pairs:peer_reset(Peer),
    receive {tcp_closed, S} -> ok end,
    [{error, closed}, {error, closed}, {error, enotconn}, {error, enotconn}] = do_sends(S, 4),
    ok = mailbox:none(),
    ok = gen_tcp:close(S).

%% With show_econnreset one send says econnreset; a second tcp_error and no
%% second tcp_closed.
active_half_by_a_reset_shown(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}, {active, true},
                                           {show_econnreset, true}]),
    tcp_pairs:peer_reset(Peer),
    receive {tcp_error, S, econnreset} -> ok end,
    receive {tcp_closed, S} -> ok end,
    [{error, econnreset}, {error, enotconn}, {error, enotconn}] = do_sends(S, 3),
    [{tcp_error, S, econnreset}] = flush(),
    ok = gen_tcp:close(S).

%% tcp_closed, once, and the socket is gone.
husk_is_armed(_Config) ->
    do_matrix(fun(S) ->
        Armed = inet:setopts(S, [{active, once}]),
        receive {tcp_closed, S} -> ok end,
        eventually(fun() -> is_gone(S) end),
        [Armed, flush(), inet:setopts(S, [{active, true}])]
    end, #{
        husk_by_recv => [ok, [], {error, einval}],
        husk_by_send => [ok, [], {error, einval}],
        husk_by_send_timeout => [ok, [], {error, einval}]
    }).

%% tcp_error goes before tcp_closed, unless a recv has reported it already.
husk_is_armed_after_a_failed_send_shown(_Config) ->
    HuskBySend = fun() ->
        {S, Peer} = tcp_pairs:connect_to_peer([{show_econnreset, true}]),
        tcp_pairs:peer_reset(Peer),
        reset_arrived(S),
        {error, econnreset} = gen_tcp:send(S, "data"),
        S
    end,
    S1 = HuskBySend(),
    ok = inet:setopts(S1, [{active, true}]),
    receive {tcp_error, S1, econnreset} -> ok end,
    receive {tcp_closed, S1} -> ok end,
    eventually(fun() -> is_gone(S1) end),
    S2 = HuskBySend(),
    {error, econnreset} = gen_tcp:recv(S2, 0, 1000),
    ok = inet:setopts(S2, [{active, true}]),
    receive {tcp_closed, S2} -> ok end,
    eventually(fun() -> is_gone(S2) end),
    ok = mailbox:none().

%% The first send draws the reset.
peer_closed_and_nothing_read(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{show_econnreset, Show}]),
        tcp_pairs:peer_close(Peer),
        eof_arrived(S),
        ok = gen_tcp:send(S, "first"),
        reset_arrived(S),
        [{error, Second}, {error, enotconn}] = do_sends(S, 2),
        ok = gen_tcp:close(S)
    end || {Show, Second} <- [{false, closed}, {true, econnreset}]],
    ok.

%%
%% The matrix
%%

%% Opens a socket in each state, makes the call on it, and compares. The
%% expectation is a value, or a predicate for a value that varies. `husk' and
%% `gone' stand for every way into that state.
do_matrix(Call, Expected) ->
    Wrong = [{State, {got, Got}, {expected, Wanted}}
             || {States, Wanted} <- [{do_ways_into(Name), W} || {Name, W} <- maps:to_list(Expected)],
                State <- States,
                Got <- [do_in_state(State, Call)],
                not do_matches(Got, Wanted)],
    case Wrong of
        [] -> ok;
        _ -> ct:fail({wrong_outcomes, Wrong})
    end.

do_ways_into(husk) -> [husk_by_recv, husk_by_send, husk_by_send_timeout, husk_by_send_armed];
do_ways_into(gone) -> [gone_by_close, gone_by_peer, gone_by_owner];
do_ways_into(State) -> [State].

do_everywhere(Result) ->
    do_everywhere(Result, Result).

do_everywhere(Open, Gone) ->
    #{live_passive => Open, live_active => Open, listening => Open, half => Open,
      husk => Open, gone => Gone}.

do_matches(Got, Wanted) when is_function(Wanted) -> Wanted(Got);
do_matches(Got, Wanted) -> Got =:= Wanted.

do_in_state(State, Call) ->
    {S, Peers} = do_open(State),
    Got = outcome(fun() -> Call(S) end),
    ok = gen_tcp:close(S),
    [tcp_pairs:peer_close(Peer) || Peer <- Peers],
    _ = flush(),
    Got.

%% A socket in the state, and the raw peers to close afterwards.
do_open(live_passive) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {S, [Peer]};
do_open(live_active) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}]),
    {S, [Peer]};
do_open(listening) ->
    {L, _Port} = tcp_pairs:listen(),
    {L, []};
do_open(half) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}]),
    tcp_pairs:peer_send(Peer, "before"),
    tcp_pairs:peer_shutdown(Peer, write),
    {ok, <<"before">>} = gen_tcp:recv(S, 6, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {S, [Peer]};
do_open(half_by_reset) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}]),
    tcp_pairs:peer_reset(Peer),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {S, []};
do_open(husk_by_recv) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "before"),
    tcp_pairs:peer_shutdown(Peer, write),
    {ok, <<"before">>} = gen_tcp:recv(S, 6, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {S, [Peer]};
do_open(husk_by_send) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_reset(Peer),
    reset_arrived(S),
    {error, closed} = gen_tcp:send(S, "data"),
    {S, []};
do_open(husk_by_send_timeout) ->
    {S, Peer} = do_open_full([{send_timeout, 20}, {send_timeout_close, true}]),
    {error, timeout} = gen_tcp:send(S, "data"),
    {S, [Peer]};
do_open(husk_by_send_armed) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}, {active, true}]),
    tcp_pairs:peer_reset(Peer),
    receive {tcp_closed, S} -> ok end,
    [{error, closed}, {error, closed}] = do_sends(S, 2),
    {S, []};
do_open(gone_by_close) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ok = gen_tcp:close(S),
    {S, [Peer]};
do_open(gone_by_peer) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}]),
    tcp_pairs:peer_close(Peer),
    receive {tcp_closed, S} -> ok end,
    eventually(fun() -> is_gone(S) end),
    {S, []};
do_open(gone_by_owner) ->
    PeerListener = tcp_pairs:peer_listen(),
    {ok, S} = by_another(fun() ->
        gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(PeerListener), [{active, false}])
    end),
    eventually(fun() -> is_gone(S) end),
    {S, [PeerListener]}.

%% A socket whose kernel buffers are full and whose queue is over the high
%% watermark, so that the next send has to wait.
do_open_full(Opts) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{sndbuf, 16384} | Opts], #{rcvbuf => 16384}),
    ok = gen_tcp:send(S, binary:copy(<<0>>, 1_000_000)),
    {S, Peer}.

do_reset_while_queued(Opts) ->
    {S, Peer} = do_open_full(Opts),
    tcp_pairs:peer_reset(Peer),
    %% The driver notices on its own and lets go of the descriptor.
    eventually(fun() -> maps:get(states, inet:info(S)) =:= [] end),
    S.

do_half_then_reset(Opts) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false} | Opts]),
    tcp_pairs:peer_shutdown(Peer, write),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    tcp_pairs:peer_reset(Peer),
    reset_arrived(S),
    S.

do_recvs(S, N) ->
    [gen_tcp:recv(S, 0, 5000) || _ <- lists:seq(1, N)].

do_sends(S, N) ->
    [gen_tcp:send(S, "data") || _ <- lists:seq(1, N)].

do_file(Config, Contents) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "contents"),
    ok = file:write_file(File, Contents),
    File.
