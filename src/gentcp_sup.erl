%% @doc Supervises the shards, one for each port program, and picks one for a
%% new socket.
%% @private
-module(gentcp_sup).
-behaviour(supervisor).

%% Starting.
-export([start_link/0, init/1]).

%% Picking.
-export([start/0, router/0, router/1, routers/0]).

%% The names of the shards and of their routers, and a counter to take them in turn.
-define(SHARDS, gentcp_shards).

%% How long the application controller may take to answer, in milliseconds.
-define(PATIENCE, 2000).

%% The longest time that can be waited for in one go.
-define(LONGEST, 16#FFFFFFFF).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    case supervisor:start_link({local, ?MODULE}, ?MODULE, []) of
        {ok, _} = Started -> Started;
        {error, _} = Error -> Error;
        ignore -> {error, ignore}
    end.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Shards = application:get_env(gentcp, shards, 1),
    true = is_integer(Shards) andalso Shards > 0 orelse exit({bad_env, {shards, Shards}}),
    Names = [{name("gentcp_shard_", N), name("gentcp_port_", N)} || N <- lists:seq(1, Shards)],
    persistent_term:put(?SHARDS, {list_to_tuple(Names), atomics:new(1, [])}),
    ok = gentcp_fault_server:make_table(),
    %% That a port program dies, or cannot be started again for now, is nothing
    %% that the node should suffer for: its shard goes on. The limit is for what no
    %% shard should do.
    Flags = #{strategy => one_for_one, intensity => 10, period => 10},
    Faults = #{id => gentcp_fault_server, start => {gentcp_fault_server, start_link, []}},
    {ok, {Flags, [Faults | [#{id => Shard, start => {gentcp_shard, start_link, [Shard, Router]},
                              shutdown => gentcp_shard:stop_limit()} || {Shard, Router} <- Names]]}}.

name(Prefix, N) ->
    list_to_atom(Prefix ++ integer_to_list(N)).

%% @doc Starts the application if it does not run, also one that somebody has stopped.
-spec start() -> ok | {error, term()}.
start() ->
    case whereis(?MODULE) of
        undefined ->
            case application:ensure_all_started(gentcp) of
                {ok, _Started} -> ok;
                {error, _} = Error -> Error
            end;
        _Supervisor ->
            ok
    end.

%% @equiv router(infinity)
-spec router() -> {ok, pid()} | {error, atom()}.
router() ->
    router(infinity).

%% @doc The router for the next socket. Starts the application if need be, unless somebody has
%% stopped it, and waits for a router that is being started up to a moment of
%% `erlang:monotonic_time(millisecond)'.
-spec router(integer() | infinity) -> {ok, pid()} | {error, atom()}.
router(Deadline) ->
    case next() of
        none ->
            start(Deadline);
        {Shard, Name} ->
            case whereis(Name) of
                undefined -> wait(Shard, Deadline);
                Pid -> {ok, Pid}
            end
    end.

next() ->
    case persistent_term:get(?SHARDS, undefined) of
        undefined -> none;
        {{Names}, _} -> Names;
        {Names, Turn} -> element(1 + atomics:add_get(Turn, 1, 1) rem tuple_size(Names), Names)
    end.

wait(Shard, Deadline) ->
    case gentcp_shard:router(Shard, left(Deadline)) of
        {error, closed} ->
            case whereis(?MODULE) of
                undefined -> start(Deadline);
                _Stops -> {error, closed}
            end;
        Result ->
            Result
    end.

left(infinity) -> infinity;
left(Deadline) -> min(?LONGEST, max(0, Deadline - erlang:monotonic_time(millisecond))).

%% @doc The routers that run.
-spec routers() -> [pid()].
routers() ->
    {Names, _} = persistent_term:get(?SHARDS, {{}, none}),
    [Pid || {_Shard, Name} <- tuple_to_list(Names), Pid <- [whereis(Name)], is_pid(Pid)].

start(Deadline) ->
    case gentcp_app:is_stopped() orelse is_node_stopping(left(Deadline)) of
        true ->
            {error, closed};
        timeout ->
            {error, timeout};
        false ->
            case application:ensure_all_started(gentcp) of
                {ok, _} -> router(Deadline);
                {error, _} -> {error, eproto}
            end
    end.

%% A node that stops starts no applications, and who asks it to waits for ever:
%% an application that says goodbye over a new socket would keep the node up.
is_node_stopping(Left) ->
    try application:which_applications(min(Left, ?PATIENCE)) of
        _ -> false
    catch
        exit:_ when Left < ?PATIENCE -> timeout;
        exit:_ -> true
    end.
