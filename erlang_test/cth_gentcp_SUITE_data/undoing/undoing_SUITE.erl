%% Is refused in every case, whatever the one before has done to gentcp.
-module(undoing_SUITE).

-export([all/0, groups/0]).
-export([uninstalls/1, stops/1, kills/1, clears/1, connects/1]).

all() ->
    [{group, all}].

groups() ->
    [{all, [], [uninstalls, stops, kills, clears, connects]}].

uninstalls(_Config) ->
    refused(),
    ok = gentcp:uninstall().

stops(_Config) ->
    refused(),
    ok = application:stop(gentcp).

kills(_Config) ->
    refused(),
    #{os_pid := Pid} = gentcp:port_info(),
    _ = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
    ok.

clears(_Config) ->
    refused(),
    42 = gentcp_fault:seed(),
    ok = gentcp_fault:clear().

connects(_Config) ->
    refused().

refused() ->
    {ok, L} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    ok = gen_tcp:close(L).
