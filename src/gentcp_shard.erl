%% @doc The life of a shard: one port program with its router, one after the other.
%%
%% <dl>
%% <dt>down</dt><dd>there is none. Who asks for one has it started</dd>
%% <dt>starting</dt><dd>a router waits for the hello of its program, and those who ask wait for
%% the router, each as long as it likes</dd>
%% <dt>up</dt><dd>they can be found by the name of the router</dd>
%% <dt>ending</dt><dd>the router has gone, and its heir sees that the program does. Who asks waits for
%% the next one: the new program can bind what the old one had bound</dd>
%% </dl>
%%
%% This process writes nothing to the program and hands on nothing from it, so it always answers.
%% @private
-module(gentcp_shard).
-behaviour(gen_statem).

%% Starting.
-export([start_link/2, stop_limit/0]).

%% For callers.
-export([router/2]).

%% For the router.
-export([opened/2, started/3]).

%% For gen_statem.
-export([init/1, callback_mode/0, terminate/3]).
-export([down/3, starting/3, up/3, ending/3]).

-include_lib("kernel/include/logger.hrl").

%% A port program that has lived for so long, in milliseconds, is replaced at once
%% when it ends. One that ends before is when it is needed.
-define(PROBATION, 1000).

%% How long a router may take to say goodbye, and its heir to see the program off.
-define(STOP_LIMIT, 8000).
-define(HEIR_LIMIT, 6000).

-record(data, {
    name :: atom(),
    router = none :: none | pid(),
    heir = none :: none | {pid(), reference()},
    port = none :: none | port(),
    program = none :: none | gentcp_program:program(),
    heartbeat = none :: none | pid(),
    since = 0 :: integer(),
    %% Who waits for a router.
    waiting = [] :: [gen_statem:from()],
    %% Whether the next one is started before anybody asks.
    again = false :: boolean()
}).

%% @doc Starts a shard under one name, of which the router goes by another. Its first program is
%% started meanwhile.
-spec start_link(atom(), atom()) -> {ok, pid()} | {error, term()}.
start_link(Shard, Router) ->
    case gen_statem:start_link({local, Shard}, ?MODULE, Router, []) of
        ignore -> {error, ignore};
        Result -> Result
    end.

%% @doc How long the supervisor has to wait for the end of a shard.
-spec stop_limit() -> pos_integer().
stop_limit() ->
    ?STOP_LIMIT + ?HEIR_LIMIT + 1000.

%% @doc The router of a shard, which is started if need be, or why there is none. The timeout
%% is in milliseconds.
-spec router(atom(), timeout()) -> {ok, pid()} | {error, atom()}.
router(Shard, Timeout) ->
    try gen_statem:call(Shard, router, Timeout)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:_ -> {error, closed}
    end.

%% @doc The calling router has opened its port, and has an heir.
-spec opened(pid(), {pid(), port(), gentcp_program:program()}) -> ok.
opened(Shard, {_Heir, _Port, _Program} = Opened) ->
    Shard ! {opened, self(), Opened},
    ok.

%% @doc The calling router has heard the hello of its program, or the start has failed.
-spec started(pid(), ok | {error, atom()}, pid()) -> ok.
started(Shard, Result, Router) ->
    Shard ! {started, Router, Result},
    ok.

-spec callback_mode() -> state_functions.
callback_mode() ->
    state_functions.

-spec init(atom()) -> {ok, down, #data{}, [{next_event, internal, start}]}.
init(Router) ->
    process_flag(trap_exit, true),
    {ok, down, #data{name = Router}, [{next_event, internal, start}]}.

-spec down(gen_statem:event_type(), term(), #data{}) -> gen_statem:event_handler_result(atom()).
down(internal, start, Data) ->
    {next_state, starting, start(Data)};
down({call, From}, router, Data) ->
    {next_state, starting, start(Data#data{waiting = [From]})};
down(info, _Late, _Data) ->
    keep_state_and_data.

start(#data{name = Name} = Data) ->
    Router = gentcp_port:start_link(Name),
    Data#data{router = Router, heir = none, again = false,
              since = erlang:monotonic_time(millisecond)}.

-spec starting(gen_statem:event_type(), term(), #data{}) -> gen_statem:event_handler_result(atom()).
starting({call, From}, router, #data{waiting = Waiting} = Data) ->
    {keep_state, Data#data{waiting = [From | Waiting]}};
starting(info, {opened, Router, Opened}, #data{router = Router} = Data) ->
    {keep_state, opened_by(Opened, Data)};
starting(info, {started, Router, ok}, #data{router = Router} = Data) ->
    {next_state, up, watch(Data#data{waiting = []}), answers(Data, {ok, Router})};
starting(info, {started, Router, {error, _} = Error}, #data{router = Router} = Data) ->
    {keep_state, Data#data{waiting = []}, answers(Data, Error)};
starting(info, {'EXIT', Router, Reason}, #data{router = Router} = Data) ->
    case Reason of
        %% It has said why, and who has come since may have more luck.
        {shutdown, _} -> ended(Data, []);
        _Killed -> ended(Data#data{waiting = []}, answers(Data, {error, closed}))
    end;
starting(info, {'DOWN', Monitor, process, Heir, _}, #data{heir = {Heir, Monitor}} = Data) ->
    {keep_state, Data#data{heir = none}};
starting(info, _Late, _Data) ->
    keep_state_and_data.

opened_by({Heir, Port, Program}, #data{heir = Before} = Data) ->
    _ = Before =/= none andalso erlang:demonitor(element(2, Before), [flush]),
    Data#data{heir = {Heir, erlang:monitor(process, Heir)}, port = Port, program = Program}.

answers(#data{waiting = Waiting}, Answer) ->
    [{reply, From, Answer} || From <- lists:reverse(Waiting)].

-spec up(gen_statem:event_type(), term(), #data{}) -> gen_statem:event_handler_result(atom()).
up({call, From}, router, #data{router = Router}) ->
    {keep_state_and_data, [{reply, From, {ok, Router}}]};
up(info, {'EXIT', Router, Reason}, #data{router = Router, since = Since} = Data) ->
    case Reason of
        {shutdown, _} ->
            ok;
        _ ->
            ?LOG_ERROR("gentcp: a router has died (~0tP), and its port program is killed", [Reason, 20])
    end,
    Lived = erlang:monotonic_time(millisecond) - Since,
    ended(Data#data{again = Lived >= ?PROBATION}, []);
up(info, {opened, Router, Opened}, #data{router = Router} = Data) ->
    %% The heir was lost, and there is another.
    {keep_state, opened_by(Opened, Data)};
up(info, {'DOWN', Monitor, process, Heir, _}, #data{heir = {Heir, Monitor}} = Data) ->
    {keep_state, Data#data{heir = none}};
up(info, {'EXIT', Heartbeat, Reason}, #data{heartbeat = Heartbeat} = Data) ->
    case Reason of
        normal -> {keep_state, Data#data{heartbeat = none}};
        _Lost -> {keep_state, watch(Data)}
    end;
up(info, _Late, _Data) ->
    keep_state_and_data.

watch(#data{port = Port, program = Program} = Data) ->
    Beat = application:get_env(gentcp, heartbeat, infinity),
    Data#data{heartbeat = gentcp_heartbeat:start_link(Port, Program, Beat)}.

ended(#data{heartbeat = Heartbeat, heir = Heir, port = Port, program = Program} = Data, Actions) ->
    _ = is_pid(Heartbeat) andalso exit(Heartbeat, kill),
    Data1 = Data#data{router = none, heartbeat = none},
    case Heir of
        none when Program =:= none ->
            gone(Data1, Actions);
        none ->
            %% The heir was lost with the router.
            ok = gentcp_port:forget(Port),
            Other = spawn_monitor(fun() -> gentcp_program:see_off(Program, 0) end),
            {next_state, ending, Data1#data{heir = Other}, Actions};
        _ ->
            {next_state, ending, Data1, Actions}
    end.

-spec ending(gen_statem:event_type(), term(), #data{}) -> gen_statem:event_handler_result(atom()).
ending({call, From}, router, #data{waiting = Waiting} = Data) ->
    {keep_state, Data#data{waiting = [From | Waiting]}};
ending(info, {'DOWN', Monitor, process, Heir, _}, #data{heir = {Heir, Monitor}} = Data) ->
    gone(Data, []);
ending(info, _Late, _Data) ->
    keep_state_and_data.

%% Nothing is left of a router and its program.
gone(#data{waiting = Waiting, again = Again} = Data, Actions) ->
    Data1 = Data#data{router = none, heir = none, port = none, program = none, heartbeat = none},
    case Again orelse Waiting =/= [] of
        true -> {next_state, starting, start(Data1), Actions};
        false -> {next_state, down, Data1, Actions}
    end.

%% The router says goodbye to its program. If it cannot, because it waits for a program that
%% reads nothing, it is killed, and its heir kills the program.
-spec terminate(term(), atom(), #data{}) -> ok.
terminate(_Reason, _State, #data{router = Router, heir = Heir, heartbeat = Heartbeat}) ->
    _ = is_pid(Heartbeat) andalso exit(Heartbeat, kill),
    _ = is_pid(Router) andalso end_router(Router),
    case Heir of
        none ->
            ok;
        {Pid, Monitor} ->
            receive {'DOWN', Monitor, process, Pid, _} -> ok
            after ?HEIR_LIMIT -> ok
            end
    end.

end_router(Router) ->
    Monitor = erlang:monitor(process, Router),
    exit(Router, shutdown),
    receive {'DOWN', Monitor, process, Router, _} -> ok
    after ?STOP_LIMIT ->
        exit(Router, kill),
        receive {'DOWN', Monitor, process, Router, _} -> ok end
    end.
