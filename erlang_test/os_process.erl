%% @doc Processes of the system: port programs, and nodes.
-module(os_process).

-export([lives/1, signal/2]).

%% A zombie has died too. Linux shows it.
-spec lives(non_neg_integer()) -> boolean().
lives(OsPid) ->
    case file:read_file(lists:concat(["/proc/", OsPid, "/stat"])) of
        {ok, Stat} ->
            [_, After] = string:split(Stat, ") ", trailing),
            binary:first(After) =/= $Z;
        {error, _} ->
            os:cmd(lists:concat(["kill -0 ", OsPid, " 2>&1"])) =:= ""
    end.

%% The signal as kill(1) names it: "KILL", "STOP".
-spec signal(string(), non_neg_integer()) -> ok.
signal(Signal, OsPid) ->
    "" = os:cmd(lists:concat(["kill -", Signal, " ", OsPid])),
    ok.
