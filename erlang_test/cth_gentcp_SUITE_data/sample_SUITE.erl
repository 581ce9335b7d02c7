%% A suite that knows nothing of gentcp.
-module(sample_SUITE).

-export([all/0, groups/0, init_per_testcase/2, end_per_testcase/2]).
-export([echoes/1, says_its_driver/1, leaves_a_listener/1, skips/1, connects/1, connects_beside/1,
         connects_alone/1]).

all() ->
    [echoes, says_its_driver, leaves_a_listener, skips, {group, one_by_one}, {group, beside}].

groups() ->
    [{one_by_one, [], [connects, connects_alone]},
     {beside, [parallel], [connects, connects_beside]}].

init_per_testcase(_Case, Config) ->
    Config.

end_per_testcase(_Case, _Config) ->
    ok.

%% Takes one recv for the whole message.
echoes(_Config) ->
    {C, S} = pair(),
    ok = gen_tcp:send(C, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 0, 5000),
    [ok = gen_tcp:close(Socket) || Socket <- [C, S]],
    ok.

says_its_driver(_Config) ->
    {ok, L} = gen_tcp:listen(0, []),
    ct:comment("~s", [case L of _ when is_port(L) -> stock; _ -> gentcp end]),
    ok = gen_tcp:close(L).

leaves_a_listener(_Config) ->
    Case = self(),
    _ = spawn(fun() ->
        {ok, _} = gen_tcp:listen(0, []),
        Case ! listening,
        receive stop -> ok end
    end),
    receive listening -> ok end.

skips(_Config) ->
    {skip, "on every driver"}.

connects(_Config) -> connect().
connects_alone(_Config) -> connect().
connects_beside(_Config) -> connect().

connect() ->
    {C, S} = pair(),
    [ok = gen_tcp:close(Socket) || Socket <- [C, S]],
    ok.

pair() ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L),
    ok = gen_tcp:close(L),
    {C, S}.
