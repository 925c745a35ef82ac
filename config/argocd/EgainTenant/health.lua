-- The health of an EgainTenant in Argo CD.
local hs = {status = "Progressing", message = "the operator has not looked at this yet"}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    hs.message = condition.message
    if condition.status == "True" then
      hs.status = "Healthy"
    end
  elseif condition.type == "Stalled" then
    hs.status = "Degraded"
  end
end
return hs
