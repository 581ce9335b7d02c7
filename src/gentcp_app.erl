%% @doc The application `gentcp'. It starts by itself when the first socket is
%% opened; starting it with the release just makes that first call quicker.
%% @private
-module(gentcp_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Args) ->
    gentcp_sup:start_link().

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
