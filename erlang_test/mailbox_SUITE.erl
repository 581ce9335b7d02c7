%% What is in the mailbox of a caller costs its calls nothing.
-module(mailbox_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_group/2, end_per_group/2]).
-export([calls_cost_the_same/1, close_takes_its_message/1,
         every_wait_has_a_marker/1, survive_two_reloads/1]).

-import(tcp_pairs, [listen/0, pair/0, pair/2, connect_to_peer/2, at_rest/1]).

%% So many messages, and how often a call is made to be timed.
-define(MESSAGES, 300_000).
-define(CALLS, 20).

%% A scan of the mailbox costs some hundred times as much as a call.
-define(FACTOR, 20).

all() ->
    driver_groups:all() ++ [every_wait_has_a_marker, survive_two_reloads].

groups() ->
    driver_groups:groups([calls_cost_the_same, close_takes_its_message]).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%% Of the least that some calls have taken, so that other things that the machine has to do do not count.
calls_cost_the_same(Config) ->
    {C, S} = pair(),
    {L, _Port} = listen(),
    Calls = #{
        setopts => fun() -> ok = inet:setopts(C, [{nodelay, true}]) end,
        arm => fun() -> ok = inet:setopts(C, [{active, once}]), ok = inet:setopts(C, [{active, false}]) end,
        getopts => fun() -> {ok, _} = inet:getopts(C, [nodelay]) end,
        sockname => fun() -> {ok, _} = inet:sockname(C) end,
        getstat => fun() -> {ok, _} = inet:getstat(C, [send_cnt]) end
    },
    %% These scan the mailbox in stock.
    More = #{
        send => fun() -> ok = gen_tcp:send(S, "x") end,
        recv => fun() -> {error, timeout} = gen_tcp:recv(S, 0, 0) end,
        accept => fun() -> {error, timeout} = gen_tcp:accept(L, 0) end,
        monitor => fun() -> true = inet:cancel_monitor(inet:monitor(C)) end
    },
    cost_the_same(case driver_groups:on_stock(Config) of
                      true -> Calls;
                      false -> maps:merge(Calls, More)
                  end),
    ok = gen_tcp:close(C).

cost_the_same(Calls) ->
    Without = maps:map(fun(_Name, Call) -> least(Call) end, Calls),
    [self() ! {message, N} || N <- lists:seq(1, ?MESSAGES)],
    With = maps:map(fun(_Name, Call) -> least(Call) end, Calls),
    Dear = [{Name, maps:get(Name, Without), Time}
            || {Name, Time} <- maps:to_list(With), Time > ?FACTOR * maps:get(Name, Without)],
    [receive {message, N} -> ok end || N <- lists:seq(1, ?MESSAGES)],
    ?assertEqual([], Dear).

least(Call) ->
    max(20, lists:min([element(1, timer:tc(Call)) || _ <- lists:seq(1, ?CALLS)])).

%% What close has to take out of the mailbox it finds, however much is before it.
close_takes_its_message(_Config) ->
    {C, S} = pair([], [{active, true}]),
    [self() ! {message, N} || N <- lists:seq(1, 1000)],
    ok = gen_tcp:close(S),
    tcp_pairs:eventually(fun() -> lists:member({tcp_closed, C}, messages()) end),
    ok = gen_tcp:close(C),
    false = lists:member({tcp_closed, C}, messages()),
    1000 = length(tcp_pairs:flush()).

messages() ->
    element(2, process_info(self(), messages)).

%% Each receive of the modules that wait begins at the marker of its reference.
every_wait_has_a_marker(_Config) ->
    Waits = [{Module, Name, Code}
             || Module <- [gentcp_call, gentcp_send, gentcp_recv, gentcp_open],
                {function, Name, _Arity, _Entry, Code} <- code(Module),
                lists:keymember(loop_rec, 1, Code)],
    ?assert(length(Waits) >= 5),
    [] = [{Module, Name} || {Module, Name, Code} <- Waits,
                            count(loop_rec, Code) =/= count(recv_marker_use, Code)].

code(Module) ->
    {Module, Beam, _File} = code:get_object_code(Module),
    {beam_file, Module, _, _, _, Functions} = beam_disasm:file(Beam),
    Functions.

count(Name, Code) ->
    length([1 || Instruction <- Code, is_tuple(Instruction), element(1, Instruction) =:= Name]).

%% Who waits in a call has nothing of the module gentcp on its stack.
survive_two_reloads(Config) ->
    Config1 = driver_groups:init(gentcp, Config),
    {L, _Port} = listen(),
    {_C, S} = pair(),
    {Full, _Peer} = connect_to_peer([{sndbuf, 4096}], #{rcvbuf => 4096}),
    ok = gen_tcp:send(Full, binary:copy(<<0>>, 4_000_000)),
    Pids = [spawn(Call) || Call <- [fun() -> gen_tcp:accept(L) end,
                                    fun() -> gen_tcp:recv(S, 0) end,
                                    fun() -> gen_tcp:send(Full, "small") end,
                                    fun() -> gen_tcp:send(Full, binary:copy(<<0>>, 100_000)) end,
                                    fun() -> gen_tcp:send(Full, binary:copy(<<0>>, 1_000_000)) end]],
    [at_rest(Pid) || Pid <- Pids],
    [begin
         _ = code:purge(gentcp),
         {module, gentcp} = code:load_file(gentcp)
     end || _ <- [1, 2, 3]],
    [true = is_process_alive(Pid) || Pid <- Pids],
    [exit(Pid, kill) || Pid <- Pids],
    driver_groups:done(gentcp, Config1).
