%% The BEAM as the server: the peer opens the connections and drives them.
-module(bench_server).

-export([echo/1, accept_rate/1, idle/1]).

%% `connections' connections, a process each, which echo messages of `size'
%% bytes; the peer has one message under way on each.
-spec echo(map()) -> #{per_second := float(), beam_mb := float(), port_mb := float() | none,
                       beam_kb := float(), port_kb := float() | none}.
echo(#{connections := Connections, size := Size, mode := Mode, ms := Ms} = Args) ->
    {L, Port} = listen(Args),
    Acceptor = start_acceptor(L, fun(S) -> serve(Mode, S) end),
    warm_up(Args, Port),
    Before = bench_cost:memory(),
    Control = drive(Args, "drive-echo", [Port, Connections, Size, Ms]),
    [Count, Elapsed] = bench_peer:numbers(Control),
    After = bench_cost:memory(),
    ok = gen_tcp:close(Control),
    stop_acceptor(Acceptor, L),
    maps:merge((bench_cost:megabytes(After))#{
                 per_second => bench_clock:per_second(Count, Elapsed)},
               bench_cost:per_connection(Before, After, Connections)).

%% Connections that come, make one exchange and are closed by the BEAM;
%% `workers' at a time.
-spec accept_rate(map()) -> #{per_second := float()}.
accept_rate(#{workers := Workers, size := Size, ms := Ms} = Args) ->
    {L, Port} = listen(Args),
    Acceptor = start_acceptor(L, fun(S) -> answer(S, Size) end),
    Control = drive(Args, "drive-exchange", [Port, Workers, Size, Ms]),
    [Count, Elapsed] = bench_peer:numbers(Control),
    ok = gen_tcp:close(Control),
    stop_acceptor(Acceptor, L),
    #{per_second => bench_clock:per_second(Count, Elapsed)}.

%% Memory that an idle connection takes. One process owns all of them, so that
%% only the sockets count; each is {active, true} and has carried one message.
-spec idle(map()) -> #{beam_kb := float(), port_kb := float() | none}.
idle(#{connections := Connections, size := Size} = Args) ->
    {L, Port} = listen(Args),
    Self = self(),
    Owner = spawn_link(fun() ->
                               _ = accept_echoed(L, Size, 1),
                               Self ! {self(), one},
                               Sockets = accept_echoed(L, Size, Connections),
                               Self ! {self(), all},
                               receive stop -> [ok = gen_tcp:close(S) || S <- Sockets] end,
                               Self ! {self(), stopped}
                       end),
    First = drive(Args, "hold", [Port, 1, Size]),
    receive {Owner, one} -> ok end,
    Before = bench_cost:memory(),
    Control = drive(Args, "hold", [Port, Connections, Size]),
    [Connections] = bench_peer:numbers(Control),
    receive {Owner, all} -> ok end,
    After = bench_cost:memory(),
    Owner ! stop,
    receive {Owner, stopped} -> ok end,
    ok = gen_tcp:close(First),
    ok = gen_tcp:close(Control),
    ok = gen_tcp:close(L),
    bench_cost:per_connection(Before, After, Connections).

accept_echoed(L, Size, Count) ->
    [begin
         {ok, S} = gen_tcp:accept(L),
         {ok, Data} = gen_tcp:recv(S, Size),
         ok = gen_tcp:send(S, Data),
         ok = inet:setopts(S, [{active, true}]),
         S
     end || _ <- lists:seq(1, Count)].

listen(#{driver := Driver}) ->
    {ok, L} = gen_tcp:listen(0, bench_driver:options(Driver) ++
                                 [binary, {active, false}, {nodelay, true}, {backlog, 1024},
                                  {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    {L, Port}.

%% A process that accepts and gives each connection a process of its own.
start_acceptor(L, Serve) ->
    spawn_link(fun() -> accept(L, Serve, []) end).

accept(L, Serve, Servers) ->
    case gen_tcp:accept(L) of
        {ok, S} ->
            {Pid, Monitor} = spawn_monitor(fun() -> receive {go, S} -> Serve(S) end end),
            _ = case gen_tcp:controlling_process(S, Pid) of
                    ok -> Pid ! {go, S};
                    %% The peer was faster; only an accepted socket can be gone.
                    {error, _} -> exit(Pid, kill)
                end,
            accept(L, Serve, [Monitor | Servers]);
        {error, closed} ->
            [receive {'DOWN', Monitor, process, _, _} -> ok end || Monitor <- Servers],
            ok
    end.

stop_acceptor(Acceptor, L) ->
    Monitor = monitor(process, Acceptor),
    ok = gen_tcp:close(L),
    receive {'DOWN', Monitor, process, Acceptor, _} -> ok end.

serve(Mode, S) ->
    ok = inet:setopts(S, [{active, Mode}]),
    echo(Mode, S).

echo(Mode, S) ->
    receive
        {tcp, S, Data} ->
            case gen_tcp:send(S, Data) of
                ok -> rearm(Mode, S), echo(Mode, S);
                {error, _} -> gen_tcp:close(S)
            end;
        {tcp_closed, S} ->
            ok;
        {tcp_error, S, _} ->
            gen_tcp:close(S)
    end.

%% A socket that the peer has closed says so here or by a message.
rearm(true, _S) -> ok;
rearm(once, S) ->
    case inet:setopts(S, [{active, once}]) of
        ok -> ok;
        {error, _} -> exit(normal)
    end.

answer(S, Size) ->
    {ok, Data} = gen_tcp:recv(S, Size),
    ok = gen_tcp:send(S, Data),
    ok = gen_tcp:close(S).

drive(Args, Service, Numbers) ->
    bench_peer:control(Args, lists:join($\s, [Service | [integer_to_list(N) || N <- Numbers]])).

warm_up(#{size := Size} = Args, Port) ->
    Control = drive(Args, "drive-echo", [Port, 1, Size, 20]),
    _ = bench_peer:numbers(Control),
    ok = gen_tcp:close(Control).
