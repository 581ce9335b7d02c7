%% @doc The application `gentcp'. It starts by itself when the first socket is
%% opened; starting it with the release just makes that first call quicker. Once it has been
%% stopped it stays so until somebody starts it again.
%% @private
-module(gentcp_app).
-behaviour(application).

-export([start/2, stop/1]).

-export([is_stopped/0]).

%% The application controller answers nobody while it stops an application, so this is not kept in
%% the environment of the application.
-define(STOPPED, {?MODULE, stopped}).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Args) ->
    _ = persistent_term:erase(?STOPPED),
    case gentcp_sup:start_link() of
        {ok, Supervisor} ->
            case gentcp_switch:at_start() of
                ok -> {ok, Supervisor};
                Error -> stopped(Supervisor, Error)
            end;
        Error ->
            Error
    end.

%% Whoever asked for gentcp must not go on with the stock driver unawares.
stopped(Supervisor, Error) ->
    true = unlink(Supervisor),
    Ref = erlang:monitor(process, Supervisor),
    true = exit(Supervisor, shutdown),
    receive {'DOWN', Ref, process, _, _} -> Error end.

-spec stop(term()) -> ok.
stop(_State) ->
    persistent_term:put(?STOPPED, true).

%% @doc Whether the application ran and was stopped.
-spec is_stopped() -> boolean().
is_stopped() ->
    persistent_term:get(?STOPPED, false).
