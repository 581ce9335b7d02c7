%% @doc Checks the rows of a table within one case, so that a failure names
%% every row that does not hold and not only the first.
-module(rows).

-export([each/2]).

%% @doc Runs Check for every row. A row is named by its name if it is a map
%% that has one.
-spec each([Row], fun((Row) -> term())) -> ok when Row :: term().
each(Rows, Check) ->
    Failures = [{name(Row), Failure} || Row <- Rows, Failure <- failure(Check, Row)],
    case Failures of
        [] -> ok;
        _ -> ct:fail("~p", [Failures])
    end.

name(#{name := Name}) -> Name;
name(Row) -> Row.

failure(Check, Row) ->
    try Check(Row) of
        _ -> []
    catch
        error:{assertEqual, Info} ->
            [{expected, proplists:get_value(expected, Info),
              got, proplists:get_value(value, Info)}];
        Class:Reason:Stack ->
            [{Class, Reason, Stack}]
    end.
