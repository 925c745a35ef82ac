-- The health of an EgainClient in Argo CD. It is about the token in the target, as the condition Ready is: while that is
-- valid, a renewal that fails is only mentioned.
local hs = {status = "Progressing", message = "the operator has not looked at this yet"}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local ready, issued = conditions["Ready"], conditions["TokenIssued"]
if ready == nil then
  return hs
end

hs.message = ready.message
if ready.status == "True" then
  hs.status = "Healthy"
  if issued ~= nil and issued.status ~= "True" then
    hs.message = ready.message .. "; " .. issued.message
  end
elseif obj.spec.suspend then
  hs.status = "Suspended"
elseif conditions["Stalled"] ~= nil then
  hs.status = "Degraded"
elseif ready.reason == "TokenExpired" then
  -- It may pass by itself, but until then every workload with the token is refused.
  hs.status = "Degraded"
elseif issued ~= nil and issued.reason == "SessionNotFound" then
  -- No sync ends this: a user has to log in.
  hs.status = "Suspended"
end
return hs
