%% @doc Runs OTP's own TCP suites on one driver, and compares the drivers.
%%
%% A suite is run one top group at a time, because the same cases come back in
%% groups that differ only in the backend that they ask for. The groups that
%% ask for the `socket' backend have nothing to do with the driver: left out.
-module(conformance).

-export([main/1, table/1]).

-define(SUITES, [gen_tcp_api_SUITE, gen_tcp_echo_SUITE, gen_tcp_misc_SUITE,
                 inet_SUITE, inet_sockopt_SUITE, sendfile_SUITE]).
-define(OTHER_BACKENDS, [inet_backend_socket]).

%% -run conformance main stock|gentcp Dir
-spec main([string()]) -> no_return().
main([DriverName, Dir]) ->
    Driver = list_to_atom(DriverName),
    ok = use(Driver),
    ok = check(Driver),
    lists:foreach(
      fun({Suite, Group, What}) ->
              Log = filename:join([Dir, Suite, Group]),
              ok = filelib:ensure_path(Log),
              Hook = {conformance_hook,
                      {filename:join(Dir, "outcomes"), Suite}},
              case ct:run_test([{suite, Suite}, {dir, suite_dir(Suite)},
                                {auto_compile, false}, {logdir, Log},
                                {ct_hooks, [Hook]} | What]) of
                  {error, Reason} -> exit({ct, Suite, Group, Reason});
                  _Counts -> ok
              end,
              ok = check(Driver)
      end, [Run || Suite <- ?SUITES, Run <- runs(Suite)]),
    halt(0).

use(stock) -> ok;
use(gentcp) -> gentcp:install().

%% A table of stock against stock would look perfect, so see who is serving.
check(Driver) ->
    {ok, L} = gen_tcp:listen(0, [{ip, loopback}]),
    Serving = case L of
                  _ when is_port(L) -> stock;
                  {'$inet', gentcp, _} -> gentcp
              end,
    ok = gen_tcp:close(L),
    case Serving of
        Driver -> ok;
        _ -> {error, {serving, Serving}}
    end.

suite_dir(Suite) ->
    filename:dirname(code:which(Suite)).

runs(Suite) ->
    All = Suite:all(),
    Groups = [G || {group, G} <- All, not lists:member(G, ?OTHER_BACKENDS)],
    Cases = [C || C <- All, is_atom(C)],
    [{Suite, G, [{group, [G]}]} || G <- Groups] ++
        [{Suite, all, [{testcase, Cases}]} || Cases =/= []].

%% -run conformance table Dir Release Explained stock [gentcp]
-spec table([string()]) -> no_return().
table([Dir, Release, ExplainedFile | Drivers]) ->
    {ok, Explained} = file:consult(ExplainedFile),
    Columns = [outcomes(filename:join([Dir, D, "outcomes"])) || D <- Drivers],
    Keys = lists:usort(lists:append([maps:keys(C) || C <- Columns])),
    Rows = [row(Key, Columns, Explained) || Key <- Keys],
    Width = 2 + lists:max([0 | [length(name(Key)) || {Key, _, _, _} <- Rows]]),
    Line = fun(Name, A, B, Note) ->
                   io:format("~*s~-9s~-9s~s~n", [-Width, Name, A, B, Note])
           end,
    io:nl(),
    Line("case, OTP " ++ Release, "stock", "gentcp", ""),
    [Line(name(Key), word(A), word(B), mark(Verdict)) || {Key, A, B, Verdict} <- Rows],
    Unexplained = [R || {_, _, _, differs} = R <- Rows],
    Stale = stale(Explained, Rows, length(Drivers)),
    lists:foreach(fun detail/1, Unexplained),
    [io:format("~nlisted in ~s, but it does not differ: ~s~n", [ExplainedFile, Case])
     || Case <- Stale],
    io:format("~nOTP ~s: ~w cases, ~w the same, ~w explained, ~w unexplained~n",
              [Release, length(Rows), length([R || {_, _, _, same} = R <- Rows]),
               length([R || {_, _, _, {explained, _}} = R <- Rows]),
               length(Unexplained)]),
    %% A table without cases shows nothing, so it is a failure too.
    Failed = length(Unexplained) + length(Stale),
    io:format("conformance: ~w passed, ~w failed~n",
              [length(Rows) - length(Unexplained), Failed]),
    halt(if Failed =:= 0, Rows =/= [] -> 0; true -> 1 end).

%% The last outcome that was noted for a case is the one that counts: the hooks
%% hear of a failure in its end function after the case itself.
outcomes(File) ->
    {ok, Terms} = file:consult(File),
    maps:from_list([{{Suite, Groups, Case}, Outcome}
                    || {Suite, Groups, Case, Outcome} <- Terms]).

row(Key, [Stock], _Explained) ->
    {Key, maps:get(Key, Stock), '', same};
row({_, _, Case} = Key, [Stock, Gentcp], Explained) ->
    A = maps:get(Key, Stock, missing),
    B = maps:get(Key, Gentcp, missing),
    Verdict = case {word(A), word(B), lists:keyfind(Case, 1, Explained)} of
                  {Word, Word, _} -> same;
                  {missing, _, _} -> differs; % nothing explains a case that did not run
                  {_, missing, _} -> differs;
                  {_, _, {Case, Reason}} -> {explained, Reason};
                  {_, _, false} -> differs
              end,
    {Key, A, B, Verdict}.

stale(_Explained, _Rows, 1) ->
    [];
stale(Explained, Rows, 2) ->
    Known = [Case || {{_, _, Case}, _, _, _} <- Rows],
    Differ = [Case || {{_, _, Case}, _, _, {explained, _}} <- Rows],
    [Case || {Case, _} <- Explained,
             lists:member(Case, Known), not lists:member(Case, Differ)].

name({Suite, Groups, Case}) ->
    lists:concat(lists:join(" ", [Suite | Groups] ++ [Case])).

mark(same) -> "";
mark({explained, Reason}) -> "explained: " ++ Reason;
mark(differs) -> "DIFFERS".

detail({Key, A, B, differs}) ->
    io:format("~n~s differs~n  stock:  ~ts~n  gentcp: ~ts~n",
              [name(Key), reason(A), reason(B)]).

reason({Word, Reason}) -> io_lib:format("~s: ~ts", [Word, Reason]);
reason(Word) -> atom_to_list(Word).

word({Word, _Reason}) -> Word;
word(Word) -> Word.
