-module(pool_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([as_it_is/1, with_a_timeout/1]).

all() ->
    [as_it_is, with_a_timeout].

init_per_suite(Config) ->
    Suite = self(),
    Server = spawn(fun() ->
        {ok, L} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
        Suite ! {self(), inet:port(L)},
        receive stop -> ok end
    end),
    receive {Server, {ok, Port}} -> [{server, Server}, {port, Port} | Config] end.

end_per_suite(Config) ->
    proplists:get_value(server, Config) ! stop,
    ok.

as_it_is(Config) ->
    gives_or_refuses(infinity, Config).

with_a_timeout(Config) ->
    gives_or_refuses(200, Config).

%% A pool may have no connection to give, but it has to say so.
gives_or_refuses(ConnectTimeout, Config) ->
    Pool = pool:start(proplists:get_value(port, Config), ConnectTimeout),
    case pool:checkout(Pool) of
        {ok, S} -> ok = pool:checkin(Pool, S);
        {error, timeout} -> ok
    end,
    pool:stop(Pool).
