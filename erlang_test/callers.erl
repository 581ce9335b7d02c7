%% @doc Processes of their own that make a call, which may take its time.
-module(callers).

-export([start/1, result/1, waits/1, kill/1, stop/1, ended/1, outcome/1]).

-export_type([caller/0]).

-type caller() :: {pid(), reference()}.

%% Runs Fun in a process of its own, which reports the result.
-spec start(fun(() -> term())) -> caller().
start(Fun) ->
    Parent = self(),
    Ref = make_ref(),
    {spawn(fun() -> Parent ! {Ref, Fun()} end), Ref}.

-spec result(caller()) -> term().
result({_, Ref}) ->
    receive {Ref, Result} -> Result after 15_000 -> ct:fail(no_result) end.

%% Fails unless the call waits for what has not happened yet: it has been made,
%% and the driver has had its turn since.
-spec waits(caller()) -> ok.
waits({Pid, Ref}) ->
    ok = tcp_pairs:eventually(fun() -> is_waiting(Pid) end),
    ok = witness:has_come(),
    receive
        {Ref, Result} -> ct:fail({did_not_wait, Result})
    after 0 ->
        is_waiting(Pid) orelse ct:fail({does_not_wait, process_info(Pid)})
    end,
    ok.

%% The stock driver suspends a sender whose data it has not taken.
is_waiting(Pid) ->
    case process_info(Pid, status) of
        {status, waiting} -> true;
        {status, suspended} -> true;
        {status, _} -> false;
        undefined -> true
    end.

%% Returns when the process has ended.
-spec kill(pid()) -> ok.
kill(Pid) ->
    Monitor = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

%% Ends a process that is linked to the caller.
-spec stop(pid()) -> ok.
stop(Pid) ->
    unlink(Pid),
    kill(Pid).

-spec ended(pid()) -> ok.
ended(Pid) ->
    _ = outcome({Pid, monitor(process, Pid)}),
    ok.

%% The reason with which a process ends that is monitored.
-spec outcome({pid(), reference()}) -> term().
outcome({Pid, Monitor}) ->
    receive {'DOWN', Monitor, process, Pid, Reason} -> Reason end.
