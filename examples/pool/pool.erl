%% A pool of connections. It connects when it has no idle one, in the process of the pool,
%% and without a timeout: one server that does not answer holds up everybody.
-module(pool).
-behaviour(gen_server).

-export([start/2, stop/1, checkout/1, checkin/2]).
-export([init/1, handle_call/3, handle_cast/2]).

%% How long a caller waits, in milliseconds.
-define(PATIENCE, 1000).

-record(pool, {
    port :: inet:port_number(),
    connect_timeout :: timeout(),
    idle = [] :: [gen_tcp:socket()]
}).

-spec start(inet:port_number(), timeout()) -> pid().
start(Port, ConnectTimeout) ->
    {ok, Pool} = gen_server:start(?MODULE, {Port, ConnectTimeout}, []),
    Pool.

%% A pool that hangs cannot be asked to stop.
-spec stop(pid()) -> true.
stop(Pool) ->
    exit(Pool, kill).

-spec checkout(pid()) -> {ok, gen_tcp:socket()} | {error, term()}.
checkout(Pool) ->
    gen_server:call(Pool, checkout, ?PATIENCE).

-spec checkin(pid(), gen_tcp:socket()) -> ok.
checkin(Pool, S) ->
    gen_server:cast(Pool, {checkin, S}).

init({Port, ConnectTimeout}) ->
    {ok, #pool{port = Port, connect_timeout = ConnectTimeout}}.

handle_call(checkout, _From, #pool{idle = [S | Rest]} = Pool) ->
    {reply, {ok, S}, Pool#pool{idle = Rest}};
handle_call(checkout, _From, #pool{port = Port, connect_timeout = Timeout} = Pool) ->
    {reply, gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}], Timeout), Pool}.

handle_cast({checkin, S}, #pool{idle = Idle} = Pool) ->
    {noreply, Pool#pool{idle = [S | Idle]}}.
