%% What differs between the drivers under test: the first option of listen and
%% connect, and whether the driver is there at all.
-module(bench_driver).

-export([options/1, check/1, port_programs/0]).
-export_type([driver/0]).

-type driver() :: stock | socket | gentcp.
%% A node for bare ports (bench_port) is called `pipe' and opens no sockets.

-spec options(driver()) -> [tuple()].
options(stock) -> [];
options(socket) -> [{inet_backend, socket}];
options(gentcp) -> [{tcp_module, gentcp_tcp}].

%% One echo round trip; fails with a reason that a reader understands.
-spec check(map()) -> #{}.
check(#{driver := gentcp} = Args) ->
    case code:ensure_loaded(gentcp_tcp) of
        {module, gentcp_tcp} -> round_trip(Args);
        {error, _} -> exit('module gentcp_tcp is not on the code path: build the application first')
    end;
check(Args) ->
    round_trip(Args).

round_trip(Args) ->
    S = bench_peer:open(Args, "echo", [binary, {active, false}]),
    ok = gen_tcp:send(S, <<"ping">>),
    {ok, <<"ping">>} = gen_tcp:recv(S, 4, 5000),
    ok = gen_tcp:close(S),
    #{}.

%% The OS pids of the port programs of this node: none but gentcp has any.
-spec port_programs() -> [non_neg_integer()].
port_programs() ->
    [Pid || Port <- erlang:ports(),
            {name, Name} <- [erlang:port_info(Port, name)],
            string:find(Name, "gentcp_port") =/= nomatch,
            {os_pid, Pid} <- [erlang:port_info(Port, os_pid)]].
