%% @doc Runs OTP's own TCP suites on one driver, and compares the drivers.
%%
%% A suite is run one top group at a time, because the same cases come back in
%% groups that differ only in the backend that they ask for. The groups that
%% ask for the `socket' backend have nothing to do with the driver: left out.
-module(conformance).

-export([main/1, differing/1, table/1]).

-define(SUITES, [gen_tcp_api_SUITE, gen_tcp_echo_SUITE, gen_tcp_misc_SUITE,
                 inet_SUITE, inet_sockopt_SUITE, sendfile_SUITE]).
-define(OTHER_BACKENDS, [inet_backend_socket]).
%% Long suites, whose cases for the inet backend by default are those for the inet backend by
%% name.
-define(BY_DEFAULT_ONLY, [gen_tcp_misc_SUITE, inet_sockopt_SUITE]).

%% -run conformance main stock|gentcp Dir [Cases]
-spec main([string()]) -> no_return().
main([DriverName, Dir | Cases]) ->
    Driver = list_to_atom(DriverName),
    ok = use(Driver),
    ok = check(Driver),
    lists:foreach(
      fun({Suite, Name, What}) ->
              Log = filename:join([Dir, Suite, Name]),
              ok = filelib:ensure_path(Log),
              Hook = {conformance_hook,
                      {filename:join(Dir, "outcomes"), Suite}},
              case ct:run_test([{suite, Suite}, {dir, suite_dir(Suite)},
                                {auto_compile, false}, {logdir, Log},
                                {ct_hooks, [Hook]} | What]) of
                  {error, Reason} -> exit({ct, Suite, Name, Reason});
                  _Counts -> ok
              end,
              ok = check(Driver)
      end, case Cases of
               [] -> [Run || Suite <- ?SUITES, Run <- runs(Suite)];
               [File] -> again(File)
           end),
    halt(0, [{flush, false}]).

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
    LeftOut = ?OTHER_BACKENDS
        ++ [inet_backend_inet || lists:member(Suite, ?BY_DEFAULT_ONLY)],
    Groups = [G || {group, G} <- All, not lists:member(G, LeftOut)],
    Cases = [C || C <- All, is_atom(C)],
    [{Suite, G, [{group, [G]}]} || G <- Groups] ++
        [{Suite, all, [{testcase, Cases}]} || Cases =/= []].

%% The cases of a file, one by one.
again(File) ->
    {ok, Cases} = file:consult(File),
    [{Suite, lists:concat(["again_", Case]),
      [{group, [Groups]} || Groups =/= []] ++ [{testcase, [Case]}]}
     || {Suite, Groups, Case} <- Cases].

%% -run conformance differing Dir Explained Cases: puts the cases that nothing
%% explains into a file. What differs by chance does not differ again.
-spec differing([string()]) -> no_return().
differing([Dir, ExplainedFile, Cases]) ->
    {Rows, _} = compared(Dir, ExplainedFile, ["stock", "gentcp"], []),
    ok = file:write_file(Cases, [io_lib:format("~0p.~n", [Key]) || {Key, _, _, differs} <- Rows]),
    halt(0, [{flush, false}]).

compared(Dir, ExplainedFile, Drivers, Again) ->
    {ok, Explained} = file:consult(ExplainedFile),
    Columns = [outcomes(filename:join([Dir, D, "outcomes"])) || D <- Drivers],
    Keys = lists:usort(lists:append([maps:keys(C) || C <- Columns])),
    {[again(row(Key, Columns, Explained), Again) || Key <- Keys], Explained}.

again({Key, A, B, same}, Again) ->
    {Key, A, B, case lists:member(Key, Again) of true -> same_again; false -> same end};
again(Row, _Again) ->
    Row.

%% -run conformance table Dir Release Explained Cases stock [gentcp]
-spec table([string()]) -> no_return().
table([Dir, Release, ExplainedFile, Cases | Drivers]) ->
    {ok, Again} = file:consult(Cases),
    {Rows, Explained} = compared(Dir, ExplainedFile, Drivers, Again),
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
              [Release, length(Rows), length([R || {_, _, _, Same} = R <- Rows, Same =:= same orelse Same =:= same_again]),
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
    Verdict = case {word(A), word(B), explanation(Case, Explained)} of
                  {Word, Word, _} -> same;
                  {missing, _, _} -> differs; % nothing explains a case that did not run
                  {_, missing, _} -> differs;
                  {_, _, false} -> differs;
                  {_, _, Reason} -> {explained, Reason}
              end,
    {Key, A, B, Verdict}.

explanation(Case, Explained) ->
    case lists:keyfind(Case, 1, Explained) of
        {Case, Reason} -> Reason;
        {Case, at_times, Reason} -> Reason;
        false -> false
    end.

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
mark(same_again) -> "the same when run again";
mark({explained, Reason}) -> "explained: " ++ Reason;
mark(differs) -> "DIFFERS".

detail({Key, A, B, differs}) ->
    io:format("~n~s differs~n  stock:  ~ts~n  gentcp: ~ts~n",
              [name(Key), reason(A), reason(B)]).

reason({Word, Reason}) -> io_lib:format("~s: ~ts", [Word, Reason]);
reason(Word) -> atom_to_list(Word).

word({Word, _Reason}) -> Word;
word(Word) -> Word.
