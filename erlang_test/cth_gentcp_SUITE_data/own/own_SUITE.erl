%% A suite that asks for the hook itself.
-module(own_SUITE).

-export([suite/0, all/0, runs_on_gentcp/1, meets_faults/1]).

suite() ->
    [{ct_hooks, [{cth_gentcp, [{testcase, own_SUITE, meets_faults,
                                [{faults, {listen, {error, eaddrinuse}}}]}]}]}].

all() ->
    [runs_on_gentcp, meets_faults].

runs_on_gentcp(_Config) ->
    {ok, {'$inet', gentcp, _} = L} = gen_tcp:listen(0, []),
    ok = gen_tcp:close(L).

meets_faults(_Config) ->
    {ok, L} = gen_tcp:listen(0, []),
    ok = gen_tcp:close(L).
