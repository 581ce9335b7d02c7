%% @doc Nodes beside that of the tests, with gentcp and the suites on their code path and nothing
%% started.
-module(peer_node).

-export([start/0, start/1]).

-spec start() -> {ok, pid(), node()}.
start() ->
    start([]).

%% With further arguments for its command line.
-spec start([string()]) -> {ok, pid(), node()}.
start(Args) ->
    Paths = lists:usort([filename:dirname(code:which(Module)) || Module <- [?MODULE, gentcp]]),
    {ok, _, _} = peer:start(#{connection => standard_io,
                              args => Args ++ lists:append([["-pa", Path] || Path <- Paths])}).
