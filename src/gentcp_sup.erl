%% @doc Supervises the routers, one for each port program, and picks one for a
%% new socket.
%% @private
-module(gentcp_sup).
-behaviour(supervisor).

%% Starting.
-export([start_link/0, init/1]).

%% Picking.
-export([router/0, routers/0, replace/1]).

%% The names of the routers and a counter to take them in turn. They stay the
%% same when a router is started again.
-define(ROUTERS, gentcp_routers).

%% How often a caller looks for a router that is being started again. Each
%% look waits for the supervisor, so this bounds starts, not time.
-define(LOOKS, 100).

%% How long the application controller may take to answer, in milliseconds.
-define(PATIENCE, 2000).

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
    Names = [router_name(Shard) || Shard <- lists:seq(1, Shards)],
    persistent_term:put(?ROUTERS, {list_to_tuple(Names), atomics:new(1, [])}),
    ok = gentcp_fault_server:make_table(),
    %% That a port program dies, or cannot be started again for now, is nothing
    %% that the node should suffer for. So the router ends in good order, for
    %% which no restart is counted, and is started again by replace/1 or by the
    %% next who needs it. The limit is for what no router should do.
    Flags = #{strategy => one_for_one, intensity => 100, period => 10},
    Faults = #{id => gentcp_fault_server, start => {gentcp_fault_server, start_link, []}},
    {ok, {Flags, [Faults | [#{id => Name, start => {gentcp_port, start_link, [Name]},
                              restart => transient} || Name <- Names]]}}.

router_name(Shard) ->
    list_to_atom("gentcp_port_" ++ integer_to_list(Shard)).

%% @doc The router for the next socket. Starts the application if need be, and
%% waits for a router that is being started again.
-spec router() -> {ok, pid()} | {error, atom()}.
router() ->
    router(?LOOKS).

router(0) ->
    {error, system_limit};
router(Looks) ->
    Name = next(),
    case whereis(Name) of
        undefined -> start(Name, Looks);
        Pid -> {ok, Pid}
    end.

next() ->
    case persistent_term:get(?ROUTERS, undefined) of
        undefined -> undefined;
        {{Name}, _} -> Name;
        {Names, Turn} -> element(1 + atomics:add_get(Turn, 1, 1) rem tuple_size(Names), Names)
    end.

%% @doc Has the calling router started again when it has ended.
-spec replace(atom()) -> ok.
replace(Name) ->
    Router = self(),
    _ = spawn(fun() ->
        Ref = erlang:monitor(process, Router),
        receive {'DOWN', Ref, process, _, _} -> ok end,
        try supervisor:restart_child(?MODULE, Name) of
            %% If it cannot be started, or the supervisor knows nothing of its
            %% end yet: the next who needs it tries again.
            _ -> ok
        catch
            exit:_ -> ok
        end
    end),
    ok.

%% @doc The routers that run.
-spec routers() -> [pid()].
routers() ->
    {Names, _} = persistent_term:get(?ROUTERS, {{}, none}),
    [Pid || Name <- tuple_to_list(Names), Pid <- [whereis(Name)], is_pid(Pid)].

start(Name, Looks) ->
    case whereis(?MODULE) of
        undefined ->
            case is_node_stopping() orelse application:ensure_all_started(gentcp) of
                true -> {error, closed};
                {ok, _} -> router(Looks - 1);
                {error, {_Application, Reason}} -> {error, posix(Reason)}
            end;
        Supervisor ->
            try supervisor:restart_child(Supervisor, Name) of
                {error, {port_program, _, _} = Reason} -> {error, posix(Reason)};
                _ -> router(Looks - 1)
            catch
                exit:_ -> router(Looks - 1)
            end
    end.

%% A node that stops starts no applications, and who asks it to waits for ever:
%% an application that says goodbye over a new socket would keep the node up.
is_node_stopping() ->
    try application:which_applications(?PATIENCE) of
        _ -> false
    catch
        exit:_ -> true
    end.

%% Why the application did not start, as an opening call can tell it.
posix({{shutdown, {failed_to_start_child, _, Reason}}, _}) -> posix(Reason);
posix({port_program, _Path, Reason}) when is_atom(Reason) -> Reason;
posix(_) -> eproto.
