%% The BEAM under test: takes measurements one at a time from stdin and answers
%% on stdout. The runner (bench/runner) starts one such node for each driver.
%%
%% A request is one line with an Erlang term, {Module, Function, Args}. The
%% answer is one line that starts with "bench ": a JSON object with either
%% "ok", the measured values by name, or "error", a text. Anything else on
%% stdout is a log line. The node ends when its stdin ends.
-module(bench_node).

-export([main/0]).

-spec main() -> no_return().
main() ->
    [Peer, Driver] = init:get_plain_arguments(),
    serve(#{peer => list_to_integer(Peer), driver => list_to_atom(Driver)}).

-spec serve(map()) -> no_return().
serve(Context) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            {Module, Function, Args} = parse(Line),
            Answer = run(Module, Function, maps:merge(Context, Args)),
            io:put_chars(["bench ", encode(Answer), $\n]),
            serve(Context);
        _End ->
            halt(0, [{flush, false}])
    end.

parse(Line) ->
    {ok, Tokens, _} = erl_scan:string(Line),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.

%% Every measurement has a process of its own: a clean heap and mailbox, and
%% its sockets close with it.
run(Module, Function, Args) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({measured, Module:Function(Args)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {measured, Values}} -> {ok, Values};
        {'DOWN', Monitor, process, Pid, Reason} -> {error, Reason}
    end.

encode({ok, Values}) ->
    Fields = [io_lib:format("\"~s\":~s", [Name, number(Value)])
              || {Name, Value} <- maps:to_list(Values), Value =/= none],
    ["{\"ok\":{", lists:join($,, Fields), "}}"];
encode({error, Reason}) ->
    Text = io_lib:format("~0tP", [Reason, 40]),
    ["{\"error\":\"", [escape(C) || C <- unicode:characters_to_list(Text)], "\"}"].

number(Value) when is_integer(Value) -> integer_to_list(Value);
number(Value) when is_float(Value) -> float_to_list(Value, [{decimals, 4}]).

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32; C > 126 -> $?;
escape(C) -> C.
